"""A debugger (ptrace(2)) sees the end of a process before its parent does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from unittest import mock

import psutil
import pytest
from debugging import DEBUGGER, start_debugger
from processes import assert_gone, is_running
from stopping import taking_less_than
from timeouts import AT_ONCE

import pytest_peer

pytestmark = pytest.mark.skipif(
    not sys.platform.startswith("linux"), reason="no Linux: no PTRACE_SEIZE"
)

METHODS = pytest.mark.parametrize("start_method", ["forkserver", "spawn"])


def assert_gone_for_good(pids: list[int]) -> None:
    """They are no zombies either."""
    pytest_peer.eventually(lambda: not any(map(psutil.pid_exists, pids)), 20)


@pytest.fixture
def attach():
    """A function that attaches a debugger to a process; skips where that is not permitted."""
    debuggers, traced = [], []

    def attach(pid: int, options: int = 0) -> subprocess.Popen[str]:
        debuggers.append(start_debugger(DEBUGGER, pid, options))
        traced.append(pid)
        return debuggers[-1]

    yield attach
    for debugger in debuggers:
        debugger.kill()
        with debugger:
            pass
    assert_gone_for_good(traced)


@METHODS
def test_a_peer_with_a_debugger_is_killed_like_others(peer_factory, attach, start_method):
    peer, other = (peer_factory(start_method=start_method) for _ in range(2))
    attach(peer.pid)
    with taking_less_than(AT_ONCE):
        peer.kill()
    assert peer.down_reason.signal == signal.SIGKILL
    assert other.call(os.getpid) == other.pid


@METHODS
def test_exit_status_of_a_peer_with_a_debugger_is_known(peer_factory, attach, start_method):
    peer = peer_factory(start_method=start_method, peer_down="continue")
    attach(peer.pid)
    with taking_less_than(AT_ONCE), pytest.raises(pytest_peer.PeerDown) as caught:
        peer.call_within(20, os._exit, 3)
    assert caught.value.reason.exit_status == 3


def test_spawned_peer_with_a_debugger_can_be_stopped(peer_factory, attach):
    with mock.patch("pytest_peer.launch.forkserver.registry.unavailable", return_value="a test"):
        peer, other = (peer_factory(start_method="spawn") for _ in range(2))
    debugger = attach(peer.pid)
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert "debugger" in str(peer.down_reason)
    assert other.call(os.getpid) == other.pid
    debugger.kill()
    os.waitpid(peer.pid, 0)  # no other code reaps it


def test_origin_ends_while_a_debugger_holds_a_dead_peer(run):
    said = run(
        f"""
        import subprocess
        peer = start()
        (daemon,) = peer.call(start_daemon)
        command = [sys.executable, "-c", {DEBUGGER!r}, str(peer.pid), "0"]
        debugger = subprocess.Popen(command, stdout=subprocess.PIPE)
        print(debugger.stdout.readline().decode().strip())
        print(debugger.pid, daemon, flush=True)
        peer.cast(os._exit, 0)
        time.sleep(0.5)  # nothing tells that the fork server has begun to deal with it
        os._exit(0)
        """,
    )
    debugger, daemon = map(int, said[-1].split())
    try:
        if said[0] != "attached":
            pytest.skip(f"ptrace is not permitted: {said[0]}")
        assert_gone([daemon], within=5)
    finally:
        os.kill(debugger, signal.SIGKILL)


@METHODS
@pytest.mark.parametrize(("verb", "reason"), [("kill", "killed by SIGKILL"), ("stop", "stopped (")])
def test_the_end_of_a_peer_that_does_not_end_says_why(
    peer_factory, attach, start_method, verb, reason
):
    peer = peer_factory(start_method=start_method, shutdown=("halt", 0.1))
    debugger = attach(peer.pid, 0x40)
    with (
        mock.patch("pytest_peer.peers.lifecycle.KILLED", 0.5),
        taking_less_than(AT_ONCE),
        pytest.raises(
            pytest_peer.PeerDown, match=r"not gone after 0\.5 s.*by a debugger"
        ) as caught,
    ):
        getattr(peer, verb)()
    assert caught.value.__context__ is None  # it is not waited for again
    assert is_running(peer.pid)
    debugger.kill()
    assert str(peer.wait_down(20)).startswith(reason)
