"""Whole sessions with two peers at breakpoints, and with Ctrl-C at any moment."""

from __future__ import annotations

import os
import random

import pytest
from at_a_terminal import AROUND, PROMPT

#: More are for a night: ``PEER_DEBUGGER_SESSIONS=200``.
SESSIONS = int(os.environ.get("PEER_DEBUGGER_SESSIONS", "5"))
LINES = [
    *("p total", "n", "w", "u", "peers", "peer rank-0", "peer rank-1", "cast * p total"),
    *("cast rank-0,rank-1 w", "import time; time.sleep(0.05)", "c"),
]

TWO = """
    def turns(total):
        for number in range(3):
            breakpoint()
            total += number
        return total

    def test_it(peer_factory):
        assert peer_factory.many(2, name="rank").map(turns, [1, 10]) == [4, 13]
    """


def test_cast_shows_answers_without_earlier_text(at_terminal):
    run = at_terminal(TWO)
    run.prompt()
    run.wait_for_stops(2)  # the prompt of the second is never shown
    assert sorted(run.answer("cast * p total").splitlines()) == ["[rank-0] 1", "[rank-1] 10"]


def test_two_peers_from_their_breakpoints_to_the_end(at_terminal, inner):
    run = at_terminal(TWO, shell=AROUND)
    run.prompt()
    run.wait_for_stops(2)
    run.answer("peer rank-1")
    assert run.answer("p total") == "10"
    run.child.send("p tot")
    run.child.sendintr()
    run.child.expect(PROMPT)
    assert run.child.after == "(Pdb rank-1) "
    assert sorted(run.answer("cast * p total").splitlines()) == ["[rank-0] 1", "[rank-1] 10"]
    run.child.sendline("cast * c")
    run.prompt()
    run.answer("peer rank-0")
    run.child.sendeof()
    run.prompt()
    assert run.child.after == "(Pdb rank-1) "
    run.child.sendline("c")
    run.prompt("c")
    end = run.left(inner.path)
    assert "BdbQuit" in end
    assert "1 failed" in end


@pytest.mark.parametrize("seed", range(SESSIONS))
def test_interrupts_at_any_moment(at_terminal, inner, seed):
    chance = random.Random(seed)
    run = at_terminal(TWO, shell=AROUND)
    run.prompt()
    for _ in range(8):
        run.child.sendline(chance.choice(LINES))
        run.child.delaybeforesend = chance.uniform(0, 0.1)
        run.child.sendintr()
    while run.child.expect(["left\r\n", PROMPT]) == 1:
        run.child.sendline("q")
    run.check_settings(inner.path)
