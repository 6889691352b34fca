"""pytest-randomly's seed rules the random numbers of peers too."""

from __future__ import annotations

import pytest
from inner_pytest import load_only

DRAWING = """
import random

def draw():
    return random.getrandbits(64)

def test_peers(peer_factory):
    peers = peer_factory.many(2)
    first = peers.call(draw)
    note_drawn(*first, *[peer.restart().call(draw) for peer in peers])

@pytest.mark.in_peer
def test_body():
    assert random.getrandbits(64) != random.Random(7).getrandbits(64)
    note_drawn(random.getrandbits(64))

def note_drawn(*numbers):
    with open("drawn", "a") as file:
        print(*numbers, file=file)
"""


@pytest.fixture
def drawn(inner, monkeypatch):
    """Return what tests draw in a run with these arguments."""
    load_only(monkeypatch, "peer", "randomly")
    inner.write(DRAWING)

    def run(*arguments: str) -> list[list[str]]:
        inner.run_apart(*arguments).assert_outcomes(passed=2)
        file = inner.path / "drawn"
        lines = [line.split() for line in file.read_text().splitlines()]
        file.unlink()
        return sorted(lines, key=len)

    return run


def test_runs_with_one_seed_draw_the_same(drawn):
    first = drawn("--randomly-seed=7")
    assert [len(line) for line in first] == [1, 4]
    assert drawn("--randomly-seed=7", "--randomly-dont-reorganize") == first
    assert drawn("--randomly-seed=8") != first


def test_two_peers_differ_and_each_life_draws_the_same(drawn):
    _, (one, two, one_again, two_again) = drawn("--randomly-seed=7")
    assert (one, two) == (one_again, two_again)
    assert one != two


def test_no_seed_without_it(drawn):
    assert drawn("--randomly-dont-reset-seed") != drawn("--randomly-dont-reset-seed")
