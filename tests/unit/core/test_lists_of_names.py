"""Names of peers for readers: shorter ones, and lists of several."""

from __future__ import annotations

import os

import pytest

from pytest_peer.core.names import listed, shortened

PID = os.getpid()


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (f"test_raft-test_vote-1-{PID}", "test_vote-1"),
        (f"test_raft-db-12-{PID}", "db-12"),
        (f"peer-1-{PID}", "peer-1"),
        (f"test_raft-test_vote-1-{PID}0", f"test_raft-test_vote-1-{PID}0"),
        ("test_raft-1", "test_raft-1"),
        (f"db-{PID}", f"db-{PID}"),
    ],
)
def test_default_name_loses_module_and_process(name: str, short: str) -> None:
    assert shortened([name], "test_raft") == {name: short}


def test_without_a_module_it_loses_the_process() -> None:
    assert shortened([f"a-b-1-{PID}"], "") == {f"a-b-1-{PID}": "a-b-1"}


def test_name_of_another_stays_that_of_the_other() -> None:
    name = f"m-db-1-{PID}"
    assert shortened([name, "db-1"], "m") == {name: name, "db-1": "db-1"}


def test_names_that_would_become_equal_stay_whole() -> None:
    names = [f"m-db-1-{PID}", f"db-1-{PID}"]
    assert shortened(names, "m") == {name: name for name in names}


@pytest.mark.parametrize(
    ("names", "text"),
    [
        ("a", "a"),
        ("rank-0 rank-1", "rank-0, rank-1"),
        ("rank-0 rank-1 rank-2", "rank-0 to rank-2"),
        ("db rank-8 rank-9 rank-10 rank-12", "db, rank-8 to rank-10, rank-12"),
        ("a-1 b-2 b-4 1 2 3", "a-1, b-2, b-4, 1 to 3"),
        ("", ""),
    ],
)
def test_names_that_follow_each_other_are_a_range(names: str, text: str) -> None:
    assert listed(names.split()) == text
