"""`wait_boot`: waiting for a boot, not waiting for it, and stopping a peer during it."""

from __future__ import annotations

import os
import queue

import pytest
from processes import assert_gone, is_running
from timeouts import NO_BOOT_LIMIT

import pytest_peer

# Ways to wait


def test_wait_boot_none_waits_for_the_boot(peer_factory):
    assert peer_factory(wait_boot=None).state == "running"


def test_wait_boot_false_returns_while_it_boots(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    assert peer.state == "booting"
    assert "booting" in repr(peer)
    gate.open()
    peer.wait_boot(NO_BOOT_LIMIT)
    assert peer.state == "running"


def test_method_wait_boot_only_stops_waiting(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    late = "still booting after 0.05 s: no Python interpreter answered"
    with pytest.raises(pytest_peer.BootTimeout, match=late):
        peer.wait_boot(0.05)
    assert peer.state == "booting"
    gate.open()
    peer.wait_boot(NO_BOOT_LIMIT)
    assert peer.call(os.getpid) == peer.pid


def test_method_wait_boot_raises_what_the_boot_failed_with(peer_factory, program):
    peer = peer_factory(exec=program("echo banner; exit 3"), wait_boot=False)
    for _ in range(2):  # also for a later wait
        with pytest.raises(pytest_peer.BootError) as caught:
            peer.wait_boot(NO_BOOT_LIMIT)
        assert caught.value.exit_status == 3
    assert peer.state == "down"
    assert peer.down_reason.kind == "boot failed"


def test_missing_program_raises_at_once_even_without_waiting(peer_factory):
    with pytest.raises(pytest_peer.ExecNotFound):
        peer_factory(exec="no-such-program-anywhere", wait_boot=False)


def test_call_while_booting_waits_for_the_boot(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    answer = peer.submit(os.getpid)
    gate.open()
    assert answer.result(NO_BOOT_LIMIT) == peer.pid


def test_call_while_booting_keeps_its_own_limit(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    with pytest.raises(pytest_peer.CallTimeout):
        peer.call_within(0.05, os.getpid)
    gate.open()
    assert peer.call(os.getpid) == peer.pid


def test_call_to_a_peer_whose_boot_fails_says_why(peer_factory, gate):
    peer = peer_factory(
        exec=gate.launcher(["/bin/sh", "-c", "echo banner; exit 3"]), wait_boot=False
    )
    answer = peer.submit(os.getpid)
    gate.open()
    with pytest.raises(pytest_peer.PeerDown) as caught:
        answer.result(NO_BOOT_LIMIT)
    assert caught.value.reason.kind == "boot failed"


def test_callable_gets_the_peer_that_has_booted(peer_factory):
    booted: queue.SimpleQueue[tuple[pytest_peer.Peer, str]] = queue.SimpleQueue()
    peer = peer_factory(wait_boot=lambda peer: booted.put((peer, str(peer.state))))
    got, state = booted.get(timeout=NO_BOOT_LIMIT)
    assert got is peer
    assert state == "running"


def test_callable_gets_the_peer_that_failed(peer_factory, program):
    booted: queue.SimpleQueue[tuple[pytest_peer.Peer, str]] = queue.SimpleQueue()
    peer = peer_factory(
        exec=program("exit 3"), wait_boot=lambda peer: booted.put((peer, str(peer.state)))
    )
    got, state = booted.get(timeout=NO_BOOT_LIMIT)
    assert got is peer
    assert state == "down"
    assert peer.down_reason.exit_status == 3


def test_callable_may_call_the_peer(peer_factory):
    answers: queue.SimpleQueue[int] = queue.SimpleQueue()
    peer = peer_factory(wait_boot=lambda peer: answers.put(peer.call(os.getpid)))
    assert answers.get(timeout=NO_BOOT_LIMIT) == peer.pid


# Stopped in the middle


def test_stop_during_boot_ends_the_process(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    gate.wait_reached()
    manifest_pid = launcher_pid(peer)
    assert is_running(manifest_pid)
    peer.stop()
    assert_gone([manifest_pid], within=0)
    assert peer.state == "down"


def launcher_pid(peer: pytest_peer.Peer) -> int:
    """The only descendant of this process whose command line has the peer's name."""
    import psutil

    below = psutil.Process().children(recursive=True)
    (child,) = (each for each in below if peer.node in each.cmdline())
    return child.pid


def test_stop_during_boot_fails_waiting_threads(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    answer = peer.submit(os.getpid)
    peer.stop()
    with pytest.raises(pytest_peer.BootError):
        peer.wait_boot()
    with pytest.raises(pytest_peer.PeerDown):
        answer.result(NO_BOOT_LIMIT)


def test_stop_right_after_the_start_leaves_nothing(peer_factory):
    peers = [peer_factory(wait_boot=False) for _ in range(5)]
    for peer in peers:
        peer.stop()
    assert [peer.state for peer in peers] == ["down"] * 5
