"""What a peer has started ends with it."""

from __future__ import annotations

import contextlib
import signal
import subprocess

import psutil
import pytest
from processes import assert_gone
from processes import start_child_and_grandchild

LIMIT = 20.0  # of what must come


def start_daemon() -> int:
    """A process in a session of its own."""
    return subprocess.Popen(["sleep", "600"], start_new_session=True).pid


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
    peer.wait_down(LIMIT)
    peer.stop()
    assert_gone([peer.pid, *pids], within=0)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_descendant_in_a_session_of_its_own_is_gone_after(peer_factory, end):
    peer = peer_factory()
    daemon = peer.call(start_daemon)
    try:
        getattr(peer, end)()
        assert_gone([daemon], within=0)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(daemon).kill()
