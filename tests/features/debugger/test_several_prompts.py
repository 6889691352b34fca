"""Prompts of several peers: one after the other, and commands for all of them."""

from __future__ import annotations

import re

import pytest
from at_a_terminal import STEPS_TO_NEXT_LINE

GROUP = """
    def test_both(peer_factory):
        group = peer_factory.many(2, name="rank")
        assert group.map(work, [1, 10]) == [3, 12]
"""


@pytest.fixture
def both(at_terminal):
    """Two peers at a breakpoint."""
    run = at_terminal(GROUP)
    run.prompt()
    run.wait_for_stops(2)
    return run


def test_peers_says_who_is_stopped_where(both):
    lines = sorted(both.answer("peers").splitlines())
    assert [re.sub(r"\(.*/(.*):\d+\)", r"(\1)", line) for line in lines] == [
        "rank-0: work (test_inner.py)",
        "rank-1: work (test_inner.py)",
    ]


def test_peer_switches_to_another(both):
    for name, total in (("rank-1", "11"), ("rank-0", "2"), ("rank-1", "11")):
        both.answer(f"peer {name}")
        assert both.child.after == f"(Pdb {name}) "
        assert both.answer("p total") == total
    assert both.answer("peer nobody") == "*** no peer 'nobody' is stopped"


def test_cast_labels_the_answers(both):
    both.answer("peer rank-0")
    both.answer("peer rank-1")
    answers = both.answer("cast * p total").splitlines()
    assert sorted(answers) == ["[rank-0] 2", "[rank-1] 11"]
    assert both.answer("cast rank-0 p total") == "[rank-0] 2"
    for line in [*STEPS_TO_NEXT_LINE, "n"]:
        stepped = both.answer(f"cast rank-0,rank-1 {line}").splitlines()
    assert {"[rank-0] -> return total", "[rank-1] -> return total"} <= set(stepped)


def test_cast_of_continue_lets_all_go_on(both):
    both.child.sendline("cast * c")
    assert "1 passed" in both.end()


def test_prompts_come_one_after_the_other(both):
    first = both.child.after
    both.child.sendline("c")
    both.prompt()
    assert {first, both.child.after} == {"(Pdb rank-0) ", "(Pdb rank-1) "}
    both.child.sendline("c")
    assert "1 passed" in both.end()
