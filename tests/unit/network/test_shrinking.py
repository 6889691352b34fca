"""Delta debugging finds what matters, and asks no more often than it has to."""

from __future__ import annotations

import pytest

from pytest_peer.network.faults.shrinking import smallest


@pytest.mark.parametrize("culprits", [[0], [7], [3], [0, 7], [2, 3], [1, 4, 6], list(range(8))])
def test_all_that_matter_are_found_in_order(culprits):
    assert smallest(range(8), lambda some: set(culprits) <= set(some)) == culprits


def test_nothing_matters_where_nothing_fails_too():
    assert smallest("abc", lambda _: True) == []


def test_without_items_nothing_is_asked():
    assert smallest([], pytest.fail) == []


def test_any_of_two_is_enough():
    assert len(smallest("abcdefgh", lambda some: "b" in some or "g" in some)) == 1


def test_equal_items_are_told_apart():
    assert smallest("aaaa", lambda some: len(some) >= 2) == ["a", "a"]


def test_nothing_is_asked_twice():
    asked = []

    def fails(some):
        asked.append(tuple(some))
        return {1, 6} <= set(some)

    smallest(range(8), fails)
    assert len(asked) == len(set(asked))


def test_one_of_many_takes_few_runs():
    asked = []

    def fails(some):
        asked.append(some)
        return 77 in some

    assert smallest(range(128), fails) == [77]
    assert len(asked) <= 1 + 2 * 7 + 2  # halving, both halves in the worst case
