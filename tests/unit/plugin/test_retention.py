"""What is kept of a test, and under which name."""

from __future__ import annotations

import itertools
import re

import pytest
from hypothesis import assume
from hypothesis import example
from hypothesis import given
from hypothesis import strategies as st

from pytest_peer.plugin import retention

OUTCOMES = ["passed", "skipped", "failed"]
PARTS = st.text(alphabet="ab/:._-[é \0", max_size=150)


@pytest.mark.parametrize("failing", [0, 1, 2])
@pytest.mark.parametrize("others", ["passed", "skipped"])
def test_failure_of_any_phase_keeps(failing: int, others: str) -> None:
    phases = [others] * 3
    phases[failing] = "failed"
    assert retention.is_kept(*phases, unasked_deaths=0)


@pytest.mark.parametrize("phases", list(itertools.product(OUTCOMES, repeat=3)))
def test_unasked_death_keeps_whatever_the_outcome(phases: tuple[str, str, str]) -> None:
    assert retention.is_kept(*phases, unasked_deaths=1)


@pytest.mark.parametrize(
    "phases",
    [
        ("passed", "passed", "passed"),
        ("passed", "skipped", "passed"),
        ("skipped", None, "passed"),
        (None, "passed", "passed"),  # no peer had been used before the call
    ],
)
def test_nothing_is_kept_of_a_test_that_did_not_fail(phases: tuple[str, str, str]) -> None:
    assert not retention.is_kept(*phases, unasked_deaths=0)


def test_interrupted_test_is_kept() -> None:
    assert retention.is_kept("passed", None, None, unasked_deaths=0)


# Names


@pytest.mark.parametrize(
    ("nodeid", "name"),
    [
        ("test_a.py::test_b", "test_a.py--test_b"),
        ("tests/sub/test_a.py::TestC::test_b", "tests-sub-test_a.py--TestC--test_b"),
        ("docs/a.rst::a.rst", "docs-a.rst--a.rst"),
    ],
)
def test_plain_node_id_stays_readable(nodeid: str, name: str) -> None:
    assert retention.directory_name(nodeid) == name


def test_parameters_stay_readable_and_get_a_hash() -> None:
    name = retention.directory_name("test_a.py::test_b[x/1-é]")
    assert re.fullmatch(r"test_a\.py--test_b_x-1-[0-9a-f]{8}", name)


def test_long_one_keeps_its_ends_and_gets_a_hash() -> None:
    name = retention.directory_name("first/" + "x" * 300 + ".py::test_last")
    assert re.fullmatch(r"first-x+\.\.x+\.py--test_last-[0-9a-f]{8}", name)


@given(PARTS | st.text(max_size=300))
@example("")
@example("..")
@example("../x")
@example("\udc80")
def test_every_name_is_one_of_a_directory(nodeid: str) -> None:
    name = retention.directory_name(nodeid)
    assert re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}", name)


@given(PARTS, PARTS)
@example("a/b", "a-b")
@example("a::b", "a//b")
@example("a::b", "a--b")
@example("t[a/b]", "t[a_b]")
@example("x" * 200 + "a" + "y" * 200, "x" * 200 + "b" + "y" * 200)
def test_different_tests_have_different_names(one: str, other: str) -> None:
    assume(one != other)
    assert retention.directory_name(one) != retention.directory_name(other)
