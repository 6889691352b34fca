"""``breakpoint()`` in a peer opens pdb at the terminal of pytest."""

from __future__ import annotations

import pytest
from at_a_terminal import STEPS_TO_NEXT_LINE


def test_a_call_is_debugged_though_pytest_captures(at_terminal):
    run = at_terminal(
        """
    def test_it(peer_factory):
        assert peer_factory(name="db").call(work, 3) == 5
    """
    )
    assert "-> total += 1" in "".join([run.prompt(), *map(run.answer, STEPS_TO_NEXT_LINE)])
    assert run.child.after == "(Pdb db) "
    assert run.answer("p total") == "4"
    assert "-> return total" in run.answer("n")
    run.child.sendline("c")
    assert "1 passed" in run.end()


@pytest.mark.parametrize("function", ["awork", "in_thread"])
def test_coroutines_and_threads_are_debugged(at_terminal, function):
    value = {"awork": "number", "in_thread": "local"}[function]
    arguments = {"awork": "5", "in_thread": ""}[function]
    run = at_terminal(
        f"""
    def test_it(peer):
        assert peer.call({function}, {arguments})
    """
    )
    run.prompt()
    assert run.answer(f"p {value}") in ("5", "7")
    run.child.sendline("c")
    assert "1 passed" in run.end()


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_body_of_an_in_peer_test_is_debugged(at_terminal, start_method):
    run = at_terminal(
        f"""
    @pytest.mark.in_peer(name="body", start_method="{start_method}")
    def test_it():
        inside = 3
        pytest.set_trace()
        assert inside == 4
    """
    )
    run.prompt()
    assert run.answer("p inside") == "3"
    run.answer("inside = 4")
    run.child.sendline("c")
    assert "1 passed" in run.end()


def test_set_trace_of_pdb_is_a_breakpoint(at_terminal):
    run = at_terminal(
        """
    def trace():
        import pdb
        inside = 3
        pdb.set_trace(header="look here")
        return inside

    def test_it(peer):
        assert peer.call(trace) == 3
    """
    )
    assert "look here" in run.prompt()
    assert run.answer("p inside") == "3"
    run.child.sendline("c")
    assert "1 passed" in run.end()


def test_steps_end_with_the_function_of_the_call(at_terminal):
    run = at_terminal(
        """
    def test_it(peer):
        assert peer.call(work, 3) == 5
        assert peer.call(int) == 0
    """
    )
    run.prompt()
    assert run.answer("up") == "*** Oldest frame"
    for line in [*STEPS_TO_NEXT_LINE, "n", "n"]:
        run.answer(line)
    run.child.sendline("n")
    assert "1 passed" in run.end()


def test_pythonbreakpoint_is_honoured(at_terminal, monkeypatch):
    monkeypatch.setenv("PYTHONBREAKPOINT", "0")
    run = at_terminal(
        """
    def test_it(peer):
        assert peer.call(work, 3) == 5
    """
    )
    assert "1 passed" in run.end()


def test_class_of_pdbcls_is_used(at_terminal, inner):
    inner.write(
        """
        import pdb

        class Mine(pdb.Pdb):
            def do_mine(self, arg):
                self.message(f"mine in {os.getpid()}")
        """,
        "mine.py",
    )
    run = at_terminal(
        """
    def test_it(peer):
        print(peer.pid)
        assert peer.call(work, 3) == 5
        assert False
    """,
        "--pdbcls=mine:Mine",
    )
    run.prompt()
    pid = run.answer("mine").rpartition(" ")[2]
    run.child.sendline("c")
    assert f"\r\n{pid}\r\n" in run.end()


@pytest.mark.parametrize("version", ["3.8", "3.12", "3.13"])
def test_peers_of_other_versions_are_debugged(at_terminal, requires_python, version):
    run = at_terminal(
        """
    def test_it(peer):
        assert peer.call(work, 3) == 5
        with pytest.raises(ValueError):
            peer.call(deep, 1)
        assert peer.call(awork, 5) == 5
    """,
        f"--peer-exec={requires_python(version)}",
    )
    assert "total += 1" in run.prompt() + run.answer("l")
    assert run.answer("p total") == "4"
    run.answer("n")
    run.child.sendline("c")
    run.prompt()
    assert run.answer("p number") == "5"
    assert run.answer("up") == "*** Oldest frame"
    run.child.sendline("c")
    assert "1 passed" in run.end()
