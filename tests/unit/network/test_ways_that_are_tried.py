"""On which ways a fault between many hosts is proved."""

from __future__ import annotations

import pytest

from pytest_peer.network.holder.proofs import tried
from pytest_peer.network.switch.filters import pairs

MOST = 32


def both_ways(some, others):
    return pairs(some, others) | pairs(others, some)


ISOLATED = both_ways([1], range(2, 22))
HALVES = both_ways(range(1, 31), range(31, 61))
MESH = pairs(range(40), range(40))
MANY = [ISOLATED, HALVES, MESH, both_ways([40], range(30)), pairs(range(30), [40, 41])]


@pytest.mark.parametrize("ways", MANY)
def test_each_host_is_among_them(ways):
    found = tried(ways, MOST)
    assert {host for way in found for host in way} == {host for way in ways for host in way}


@pytest.mark.parametrize("ways", [*MANY, both_ways([1], range(2, 100))])
def test_there_are_so_many_and_no_others(ways):
    found = tried(ways, MOST)
    assert len(found) == len(set(found)) == MOST
    assert ways.issuperset(found)


@pytest.mark.parametrize("ways", [ISOLATED, HALVES])
def test_both_directions_are_tried(ways):
    there = sum(source < target for source, target in tried(ways, MOST))
    assert MOST / 4 <= there <= MOST * 3 / 4


@pytest.mark.parametrize("ways", [frozenset(), pairs([1, 2], [3]), both_ways([1], range(2, 18))])
def test_few_are_all_tried(ways):
    assert tried(ways, MOST) == sorted(ways)
