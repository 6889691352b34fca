"""The descendants of a peer end with it."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Iterator

import psutil
import pytest
from processes import assert_gone, is_running, start, start_child_and_grandchild
from timeouts import LONG

import pytest_peer


def start_daemon() -> int:
    """A process in a session of its own."""
    return start("sleep", "600", start_new_session=True).pid


@pytest.mark.parametrize("shutdown", ["halt", 5.0, None])
def test_descendants_are_gone_when_stop_returns(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)
    pids = peer.call(start_child_and_grandchild)
    peer.stop()
    assert_gone([peer.pid, *pids], within=0)


def test_descendants_are_gone_when_kill_returns(peer_factory):
    peer = peer_factory()
    pids = peer.call(start_child_and_grandchild)
    peer.kill()
    assert_gone([peer.pid, *pids], within=0)


def test_paused_descendants_are_gone_when_stop_returns(peer_factory):
    peer = peer_factory(shutdown=0.3)
    pids = peer.call(start_child_and_grandchild)
    peer.pause()
    peer.stop()
    assert_gone([peer.pid, *pids], within=0)


@pytest.mark.parametrize("end", ["os:_exit", "signal:raise_signal"])
def test_descendants_are_gone_after_a_death(peer_factory, end):
    peer = peer_factory(peer_down="continue")
    pids = peer.call(start_child_and_grandchild)
    peer.cast(end, int(signal.SIGSEGV))
    peer.wait_down(LONG)
    peer.stop()
    assert_gone([peer.pid, *pids], within=0)


# Those that have left the group


def start_orphan() -> int:
    """Start a process in a session of its own whose parent has ended."""
    script = "setsid sh -c 'sleep 600 >/dev/null 2>&1 & echo $!'"
    return int(subprocess.run(["/bin/sh", "-c", script], stdout=subprocess.PIPE, check=True).stdout)


def end_by_itself(peer: pytest_peer.Peer) -> None:
    peer.cast(os._exit, 3)
    assert peer.wait_down(LONG).exit_status == 3


ENDS = {"stop": pytest_peer.Peer.stop, "kill": pytest_peer.Peer.kill, "exit": end_by_itself}


@pytest.fixture
def stray() -> Iterator[list[psutil.Process]]:
    """Where a test puts what must not outlive it even if it fails."""
    processes: list[psutil.Process] = []
    yield processes
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
@pytest.mark.parametrize("start", [start_daemon, start_orphan])
@pytest.mark.parametrize("end", ENDS)
def test_descendant_in_a_session_of_its_own_is_gone_after(peer_factory, stray, method, start, end):
    peer = peer_factory(start_method=method, peer_down="continue")
    pid = peer.call(start)
    stray.append(psutil.Process(pid))
    ENDS[end](peer)
    assert_gone([pid], within=0)


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_orphan_lives_as_long_as_the_peer_it_came_from(peer_factory, stray, method):
    peer = peer_factory(start_method=method)
    orphan = peer.call(start_orphan)
    stray.append(psutil.Process(orphan))
    peer_factory(start_method=method).kill()
    assert is_running(orphan)
    peer.stop()
    assert_gone([orphan], within=0)


def test_orphan_that_ends_is_no_matter(peer_factory):
    peer = peer_factory()
    orphan = psutil.Process(peer.call(start_orphan))
    orphan.kill()
    assert peer.call(abs, -1) == 1
    peer.stop()
    assert_gone([orphan.pid], within=0)


def multiply(mark: str) -> None:
    """Start children with `mark` in their words that start others faster than one can list them."""
    script = """if True:
        import os, time
        end = time.monotonic() + 20
        while time.monotonic() < end:
            if os.fork() == 0:
                os.setsid()
            else:
                os._exit(0)
    """
    for _ in range(3):
        start(sys.executable, "-S", "-c", script, mark)


@pytest.mark.parametrize("end", ENDS)
def test_descendants_that_multiply_are_gone_after(peer_factory, end):
    peer = peer_factory(peer_down="continue")
    peer.call(multiply, peer.name)
    ENDS[end](peer)
    assert not [
        process.pid
        for process in psutil.process_iter(["cmdline"])
        if process.info["cmdline"] is not None
        and process.info["cmdline"][-1:] == [peer.name]
        and is_running(process.pid)
    ]
