"""Calls of every kind of callable, for each import mode, kind of peer and outcome.

For each layout and peer, pytest runs `kinds_of_callables` once; each test here looks at the outcome
of one test there.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from away import away
from layouts import SECONDS, Layout, told

pytestmark = pytest.mark.timeout(2 * SECONDS)

PREPEND = Layout("prepend", package=False)
PREPEND_PACKAGE = Layout("prepend", package=True)
# In this mode pytest itself refuses two conftests outside packages.
APPEND = Layout("append", package=True)
IMPORTLIB = Layout("importlib", package=False)
IMPORTLIB_PACKAGE = Layout("importlib", package=True)

OURS = f"{sys.version_info[0]}.{sys.version_info[1]}"
OTHER = "3.12" if OURS != "3.12" else "3.13"
#: By their names here.
VERSIONS = {"other_python": OTHER, "python_3.8": "3.8"}
PEERS = {
    PREPEND: ["forked", "spawned", "away", "other_python", "python_3.8"],
    PREPEND_PACKAGE: ["forked", "away"],
    APPEND: ["forked", "away"],
    IMPORTLIB: ["forked", "away", "other_python", "python_3.8"],
    IMPORTLIB_PACKAGE: ["forked", "away", "other_python"],
}

#: pytest explains their asserts.
OF_TESTS = [
    "test_module",
    "static_method",
    "class_method",
    "bound_method",
    "instance",
    "partial",
    "coroutine_function",
    "conftest",
    "outer_conftest",
]
OF_MODULES = [
    "beside",
    "pythonpath",
    "namespace_package",
    "import_hook",
    "pth",
    "zip",
    "zipped_package",
]
BY_VALUE = ["lambda", "closure", "local_function", "local_class", "main"]
OUTCOMES = ["value", "exception", "skip", "assert"]


def cells() -> Iterator[Any]:
    for layout, peers in PEERS.items():
        for peer in peers:
            for kind in (*OF_TESTS, *OF_MODULES, *BY_VALUE):
                for outcome in OUTCOMES:
                    words = layout, peer, kind, outcome
                    yield pytest.param(*words, id="-".join(map(str, words)))


@pytest.fixture
def outcomes(layout, peer, requires_python, tmp_path_factory) -> dict[str, str]:
    """Of all tests with that peer."""
    together = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        together = together.parent
    place = together / f"{layout}-{peer}"
    return told(place, layout, "test_kinds.py", _options(place, peer, requires_python))


def _options(place: Path, peer: str, python: Callable[[str], str]) -> dict[str, Any]:
    if peer in VERSIONS:
        return {"exec": python(VERSIONS[peer])}
    if peer == "away":
        return away(place, os.path.realpath(sys.executable))
    return {} if peer == "forked" else {"start_method": "spawn"}


def assert_as_if_called_here(words: str, kind: str, outcome: str, explained: bool) -> None:
    if outcome in ("value", "exception"):
        assert words == "passed"
    elif outcome == "skip":
        assert "'Skipped: not today'" in words
    elif explained:
        assert "assert [1, 2, 4] == [1, 2, 3]" in words
        assert "At index 2 diff: 4 != 3" in words
    else:
        assert re.search(r"^>\s+assert found == \[1, 2, 3\]", words, re.MULTILINE)
        assert re.search(r"^E\s+AssertionError$", words, re.MULTILINE)


@pytest.mark.parametrize(("layout", "peer", "kind", "outcome"), list(cells()))
def test_call(outcomes, peer, kind, outcome):
    words = outcomes[f"test_{outcome}[{kind}]"]
    if peer in VERSIONS and kind in BY_VALUE:
        assert "EncodeError" in words
        assert f"between cpython {OURS} and cpython {VERSIONS[peer]}" in words
        assert "Move it to the top level of an importable module" in words
        assert "or use the same Python version on both sides" in words
        return
    tests = kind in OF_TESTS or (kind in BY_VALUE and kind != "main")
    if kind == "conftest" and outcome == "assert":
        tests = (
            "rewritten by pytest: True" in words
        )  # not in a package in the mode importlib, before 9.1
    assert_as_if_called_here(words, kind, outcome, explained=tests and peer != "python_3.8")
