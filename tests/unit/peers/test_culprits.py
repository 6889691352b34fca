"""Of what was busy at many looks, what kept all from rest."""

from __future__ import annotations

import pytest

from pytest_peer.peers.choreography.culprits import culprits


def looks(**times: int) -> dict[frozenset[str], int]:
    """What was busy together, a letter each, and how often; ``_`` for nothing."""
    return {frozenset(busy.strip("_")): count for busy, count in times.items()}


@pytest.mark.parametrize(
    ("seen", "found"),
    [
        ({}, []),
        ({"_": 3}, []),
        ({"a": 20}, [("a", 20)]),
        # Others ran for a moment, with it or before it.
        ({"a": 18, "ab": 1, "c": 1}, [("a", 19)]),
        # As busy as the other, or nearly.
        ({"ab": 20}, [("a", 20), ("b", 20)]),
        ({"ab": 11, "a": 9}, [("a", 20), ("b", 11)]),
        ({"ab": 9, "a": 11}, [("a", 20)]),
        # They have run in turn.
        ({"a": 5, "b": 4, "c": 3}, [("a", 5), ("b", 4), ("c", 3)]),
        ({"a": 15, "b": 5, "c": 5}, [("a", 15), ("b", 5), ("c", 5)]),
        ({"a": 1, "b": 1, "c": 1, "_": 9}, [("a", 1), ("b", 1), ("c", 1)]),
    ],
)
def test_what_explains_the_looks_is_named(seen: dict[str, int], found: list[object]) -> None:
    assert sorted(culprits(looks(**seen))) == found


def test_most_busy_comes_first() -> None:
    assert culprits(looks(a=15, b=25, c=5)) == [("b", 25), ("a", 15), ("c", 5)]


def test_what_is_ours_is_named_only_alone() -> None:
    assert culprits(looks(x=30, ax=1, a=4), "x") == [("a", 5)]
    assert culprits(looks(x=30), "x") == [("x", 30)]
