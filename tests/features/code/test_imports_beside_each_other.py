"""Calls that import at the same time."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import eventually, here

PACKAGE = """
from pytest_peer import here

def begin():
    pass

try:
    here.origin.send("imports", None)
    here.mailbox("go on").get(20)
except RuntimeError:
    pass  # not in a peer
limit = 5
from .part import answer
"""
PART = """
from . import limit

def answer():
    return limit
"""


def waits_for_a_module() -> bool:
    tops = [frame.f_code for frame in sys._current_frames().values()]
    names = ("acquire", "__enter__", "_get_module_lock")  # a finder holds the lock of all imports
    return any(top.co_name in names and "importlib" in top.co_filename for top in tops)


def search_slowly() -> None:
    class Finder:
        @staticmethod
        def find_spec(name: str, *_: object) -> None:
            if name == "slow_package":
                here.origin.send("imports", None)
                here.mailbox("go on").get(20)

    sys.meta_path.insert(0, Finder)  # type: ignore[arg-type]


@pytest.mark.parametrize("by_name", [True, False], ids=["name", "reference"])
def test_function_of_a_package_that_another_call_imports(
    peer_factory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, by_name: bool
) -> None:
    directory = tmp_path / "slow_package"
    directory.mkdir()
    (directory / "__init__.py").write_text(PACKAGE)
    (directory / "part.py").write_text(PART)
    monkeypatch.syspath_prepend(tmp_path)
    slow_package = importlib.import_module("slow_package")
    try:
        peer = peer_factory()
        beginning = peer.submit(slow_package.begin)
        peer_factory.mailbox("imports").get(LONG)
        name = "slow_package.part:answer"
        answer = peer.submit(name if by_name else slow_package.answer)
        eventually(lambda: peer.call(waits_for_a_module), LONG)
        peer.send("go on", None)
        assert beginning.result(LONG) is None
        assert answer.result(LONG) == 5
    finally:
        for module in ("slow_package", "slow_package.part"):
            del sys.modules[module]


def test_function_of_a_package_that_another_call_searches(
    peer_factory: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "slow_package"
    directory.mkdir()
    (directory / "__init__.py").write_text("limit = 5\nfrom .part import answer")
    (directory / "part.py").write_text(PART)
    monkeypatch.syspath_prepend(tmp_path)
    answer = importlib.import_module("slow_package").answer
    try:
        peer = peer_factory()
        peer.call(search_slowly)
        package = peer.submit("slow_package:__name__.upper")
        peer_factory.mailbox("imports").get(LONG)
        answers = peer.submit(answer)
        eventually(lambda: peer.call(waits_for_a_module), LONG)
        peer.send("go on", None)
        assert package.result(LONG) == "SLOW_PACKAGE"
        assert answers.result(LONG) == 5
    finally:
        for module in ("slow_package", "slow_package.part"):
            del sys.modules[module]
