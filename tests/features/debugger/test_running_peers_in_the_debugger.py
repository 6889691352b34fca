"""``peer.debug()`` stops a call that runs, and ``--trace`` one that begins."""

from __future__ import annotations

import time

import pytest


def test_a_running_call_is_stopped_in_its_frame(at_terminal):
    run = at_terminal(
        """
    def spin():
        goes_on = True
        print("spins", flush=True)
        while goes_on:
            number = sum(range(100))
        return "left"

    def test_it(peer):
        spins = peer.submit(spin)
        peer.stdout.wait_for("spins")
        peer.debug()
        assert spins.result() == "left"
    """
    )
    run.prompt()
    assert "spin()" in run.answer("w")
    run.answer("goes_on = False")
    run.child.sendline("c")
    assert "1 passed" in run.end()


def test_a_call_in_c_cannot_be_stopped(peer):
    peer.call(int)
    peer.cast(time.sleep, 60)
    with pytest.raises(TimeoutError, match="within 5 s"):
        peer.debug()
    assert peer.call(int) == 0


@pytest.mark.parametrize("keyword", ["def", "async def"])
def test_trace_stops_at_the_first_line_of_a_body(at_terminal, keyword):
    run = at_terminal(
        f"""
    @pytest.mark.in_peer(name="body")
    {keyword} test_it():
        first = 1
        assert first
    """,
        "--trace",
    )
    assert "-> first = 1" in run.prompt()
    assert run.child.after == "(Pdb body) "
    assert run.answer("up") == "*** Oldest frame"
    run.answer("n")
    assert run.answer("p first") == "1"
    run.child.sendline("c")
    assert "1 passed" in run.end()
