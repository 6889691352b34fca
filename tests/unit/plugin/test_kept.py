"""Which artifacts of a test are kept, and under which name."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_peer.plugin import artifacts

OUTCOMES = ["passed", "skipped", "failed"]
PHASES = ["setup", "call", "teardown"]


@pytest.mark.parametrize("failing", PHASES)
@pytest.mark.parametrize("others", ["passed", "skipped"])
def test_failure_of_any_phase_keeps(failing: str, others: str) -> None:
    assert artifacts.is_kept(dict.fromkeys(PHASES, others) | {failing: "failed"}, 0)


@pytest.mark.parametrize("outcomes", list(itertools.product(OUTCOMES, repeat=3)))
def test_unasked_death_keeps_whatever_the_outcome(outcomes: tuple[str, str, str]) -> None:
    assert artifacts.is_kept(dict(zip(PHASES, outcomes, strict=True)), 1)


@pytest.mark.parametrize(
    "outcomes",
    [
        {"setup": "passed", "call": "passed", "teardown": "passed"},
        {"setup": "passed", "call": "skipped", "teardown": "passed"},
        {"setup": "skipped", "teardown": "passed"},
        {"call": "passed", "teardown": "passed"},  # no peer had been used before the call
    ],
)
def test_nothing_is_kept_of_a_test_that_did_not_fail(outcomes: dict[str, str]) -> None:
    assert not artifacts.is_kept(outcomes, 0)


def test_interrupted_test_is_kept() -> None:
    assert artifacts.is_kept({"setup": "passed"}, 0)


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("test_a.py::test_b", "test_a.py--test_b"),
        ("tests/sub/test_a.py::TestC::test_b", "tests-sub-test_a.py--TestC--test_b"),
        ("docs/a.rst::a.rst", "docs-a.rst--a.rst"),
        ("test_a.py::test_b[x/1-é]", "test_a.py--test_b_x-1"),
    ],
)
def test_node_id_stays_readable(nodeid: str, name: str) -> None:
    assert artifacts.directory_name(nodeid) == name


@given(st.text(alphabet="ab/:._-[é \0", max_size=150) | st.text(max_size=300))
@example("")
@example("..")
@example("../x")
@example("\udc80")
def test_every_name_is_one_of_a_directory(nodeid: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,99}", artifacts.directory_name(nodeid))
