"""``--pdb`` enters the frame in the peer that has raised, with its local variables."""

from __future__ import annotations

import re

import pytest


def check_deepest(run):
    run.prompt()
    assert run.answer("p secret") == "21"
    assert "deeper()" in run.answer("up")
    assert run.answer("p number") == "2"
    assert "deep()" in run.answer("up")
    assert run.answer("up") == "*** Oldest frame"


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_frames_of_a_call_are_entered(at_terminal, start_method):
    run = at_terminal(
        f"""
    def test_it(peer_factory):
        peer_factory(start_method="{start_method}").call(deep, 1)
    """,
        "--pdb",
    )
    check_deepest(run)
    run.child.sendline("c")
    assert "1 failed" in run.end()


def test_frames_of_an_in_peer_test_are_entered(at_terminal):
    run = at_terminal(
        """
    @pytest.mark.in_peer
    def test_it():
        inside = object  # cannot be told by its repr
        assert inside is None
    """,
        "--pdb",
    )
    run.prompt()
    assert run.answer("p inside") == "<class 'object'>"
    run.child.sendline("c")
    assert "1 failed" in run.end()


def test_members_of_a_group_are_entered(at_terminal):
    run = at_terminal(
        """
    def test_it(peer_factory):
        peer_factory.many(3, name="rank").map(deep, [1, 2, 3])
    """,
        "--pdb",
    )
    first = re.search(r"first (rank-\d): ValueError", run.prompt())  # in the order of time
    assert first is not None
    assert run.child.after == f"(Pdb {first[1]}) "
    run.answer("peer rank-0")
    assert run.answer("p number") == "3"
    run.answer("peer rank-2")
    assert run.answer("p number") == "5"
    assert "[rank-1] 28" in run.answer("cast * p secret")
    run.child.sendline("c")
    assert "1 failed" in run.end()


def test_equal_failures_are_entered_each(at_terminal):
    run = at_terminal(
        """
    def test_it(peer_factory):
        peer_factory.many(3, name="rank").call(deep, 1)
    """,
        "--pdb",
    )
    before = run.prompt()
    first = run.child.after[len("(Pdb ") : -len(") ")]
    assert "the same in rank-" in before
    assert f"first {first}: ValueError" in before
    assert run.answer("peers").count("deepest") == 3
    for name in ("rank-2", "rank-0", "rank-1"):
        run.answer(f"peer {name}")
        assert run.child.after == f"(Pdb {name}) "
        assert run.answer("p secret") == "21"
    run.child.sendline("c")
    assert "1 failed" in run.end()


#: The first failure of a peer is raised after others, or in another life.
LATE = """
    def test_it(peer):
        first = peer.submit(deep, 1)
        first.exception()
        {then}
        with pytest.raises(ValueError):
            peer.call(deep, 2)
        first.result()
"""


@pytest.mark.parametrize(
    "then",
    ["[peer.submit(deep, 5).exception() for _ in range(4)]", "peer.restart()"],
    ids=["dropped", "another life"],
)
def test_no_other_frames_are_entered(at_terminal, then):
    run = at_terminal(LATE.format(then=then), "--pdb")
    run.child.expect([r"\(Pdb\) ", r"\(Pdb .+\) "])
    assert run.child.after == "(Pdb) "
    run.child.sendline("c")
    assert "1 failed" in run.end()


def test_quit_ends_the_run(at_terminal):
    run = at_terminal(
        """
    def test_it(peer):
        peer.call(deep, 1)

    def test_next():
        pass
    """,
        "--pdb",
    )
    run.prompt("q")
    end = run.end()
    assert "Quitting debugger" in end
    assert "1 passed" not in end


def test_failures_here_open_the_debugger_of_pytest(at_terminal):
    run = at_terminal(
        """
    def test_it(peer):
        here = peer.call(int)
        assert here
    """,
        "--pdb",
    )
    run.child.expect(r"\(Pdb\) ")
    run.child.sendline("c")
    assert "1 failed" in run.end()


def test_no_frames_are_kept_without_pdb(peer):
    with pytest.raises(ZeroDivisionError):
        peer.call(divmod, 1, 0)
    module = "pytest_peer_agent.agent.debugger"
    assert peer.call(eval, f"{module!r} in __import__('sys').modules") is False
