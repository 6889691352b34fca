"""What ends while a peer is at a prompt: the peer, the origin, the run; and what ends no prompt."""

from __future__ import annotations

import os
import signal

import pytest
from processes import assert_gone
from timeouts import GONE

TEST = """
    def stubborn():
        print("begun", flush=True)
        while True:
            try:
                time.sleep(100)
            except KeyboardInterrupt:
                print("goes on", flush=True)

    def test_it(peer_factory):
        one, other = peer_factory(name="one"), peer_factory(name="other")
        with open("pids", "w") as file:
            print(os.getpid(), one.pid, other.pid, file=file)
        later = other.submit(time.sleep, 100)
        one.call(work, 3)
        later.result()
    """


@pytest.fixture
def run(at_terminal):
    run = at_terminal(TEST)
    run.prompt()
    return run


@pytest.fixture
def pids(run, inner):
    return [int(each) for each in (inner.path / "pids").read_text().split()]


def test_the_prompt_ends_with_its_peer(run, pids):
    os.kill(pids[1], signal.SIGKILL)
    end = run.end()
    assert "killed by SIGKILL" in end
    assert "1 failed" in end


def test_peers_end_with_the_origin(run, pids):
    os.kill(pids[0], signal.SIGKILL)
    run.end()
    assert_gone(pids[1:], GONE)


def test_a_second_interrupt_ends_the_run(run, pids):
    run.child.sendline("stubborn()")
    for word in ("begun", "goes on"):
        run.child.expect(f"{word}\r\n")
        run.child.sendintr()
    assert "KeyboardInterrupt" in run.end()
    assert_gone(pids[1:], GONE)


def test_no_limit_of_pytest_timeout_passes_at_a_prompt(at_terminal):
    run = at_terminal(
        """
    @pytest.fixture
    def booted(peer):  # which may take longer than the limit
        peer.call(int)
        return peer

    @pytest.mark.timeout(5, func_only=True)
    def test_it(booted):
        assert booted.call(work, 3) == 5
    """
    )
    run.prompt()
    assert run.answer("import time; time.sleep(6)") == ""
    run.child.sendline("c")
    assert "1 passed" in run.end()


@pytest.mark.parametrize("stdin", ["</dev/null", "<&-"], ids=["no terminal", "no stdin"])
@pytest.mark.parametrize(
    ("call", "option", "outcome"),
    [
        ("work, 3", "--peer-debug-timeout=0.5", ["python -m pytest_peer attach db", "1 passed"]),
        ("deep, 1", "--pdb", ["-> raise ValueError", "Quitting debugger"]),
    ],
    ids=["breakpoint", "post mortem"],
)
def test_nothing_hangs_without_a_terminal(at_terminal, stdin, call, option, outcome):
    run = at_terminal(
        f"""
    def test_it(peer_factory):
        peer_factory(name="db").call({call})
    """,
        option,
        shell=f'run() {{ "$@" {stdin}; }}; run',
    )
    end = run.end()
    assert not [each for each in outcome if each not in end], end
