"""Who waits for whom is a deadlock only if it leads back."""

from __future__ import annotations

import pytest

from pytest_peer.core.syscalls import Wait
from pytest_peer.peers.choreography.deadlock import edges_of, find_cycle


def cycle(*pairs: str) -> list[str] | None:
    """Each pair is one that waits and the one that has it."""
    found = find_cycle([(ord(a), f"{a} for {b}", ord(b)) for a, b in pairs])
    return None if found is None else [on for _, on, _ in found]


@pytest.mark.parametrize(
    "pairs", [(), ("ab",), ("ab", "bc", "cd"), ("ab", "cb", "db"), ("ab", "ac")]
)
def test_waits_that_end_are_no_cycle(pairs: tuple[str, ...]) -> None:
    assert cycle(*pairs) is None


def test_two_wait_for_each_other() -> None:
    assert sorted(cycle("ab", "ba") or ()) == ["a for b", "b for a"]


def test_those_that_wait_for_a_cycle_are_not_in_it() -> None:
    found = cycle("xa", "yx", "ab", "bc", "ca", "cz")
    assert sorted(found or ()) == ["a for b", "b for c", "c for a"]


def test_each_edge_leads_to_the_next() -> None:
    found = find_cycle([(3, "", 1), (1, "", 2), (2, "", 3)])
    assert found is not None
    assert [edge[0] for edge in found[1:]] + [found[0][0]] == [edge[2] for edge in found]


def test_lock_waits_for_all_that_have_it() -> None:
    assert edges_of(1, Wait("flock /x", 3), [2, 4]) == [(1, "flock /x", 2), (1, "flock /x", 4)]


@pytest.mark.parametrize("on", ["read pipe", "recv 127.0.0.1:1"])
def test_of_several_that_could_write_one_is_enough(on: str) -> None:
    assert edges_of(1, Wait(on, 3), [2]) == [(1, on, 2)]
    assert edges_of(1, Wait(on, 3), [2, 4]) == []


def test_wait_with_a_limit_ends_by_itself() -> None:
    assert edges_of(1, Wait("recv 127.0.0.1:1", 3, 5.0), [2]) == []
