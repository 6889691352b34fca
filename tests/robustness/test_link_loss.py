"""A peer ends when its control link ends, whatever ended the origin."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading

import pytest
from paths import SUPPORT
from processes import assert_gone, is_running, running, start_child_and_grandchild
from timeouts import LONG, PROMPTLY_GONE

import pytest_peer

#: Of a program that starts peers and ends without having stopped them.
PREAMBLE = """
import json, multiprocessing, os, signal, sys, threading, time
import pytest_peer
from processes import start_child_and_grandchild

def tell(*peers, more=()):
    pids = [pid for peer in peers for pid in (peer.pid, *peer.call(start_child_and_grandchild))]
    print(json.dumps([*pids, *more]), flush=True)

def loop():
    print("at it")
    while True:
        pass

def sleep():
    print("at it")
    time.sleep(600)

def ignore_signals():
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
        signal.signal(number, signal.SIG_IGN)

def start_thread():
    threading.Thread(target=threading.Event().wait).start()

def hang_at_exit():
    import atexit
    atexit.register(threading.Event().wait)
"""

ENDS = {
    "return": "",
    "sys.exit": "sys.exit(3)",
    "exception": "raise RuntimeError",
    "os._exit": "os._exit(3)",
    "SIGKILL": "os.kill(os.getpid(), signal.SIGKILL)",
    "SIGTERM": "os.kill(os.getpid(), signal.SIGTERM)",
}


@pytest.fixture
def run(tmp_path):
    """A function that runs a program to its end and returns the process ids it told."""
    every: list[int] = []

    def run(script: str) -> list[int]:
        file = tmp_path / "origin.py"
        file.write_text(PREAMBLE + script)
        path = str(SUPPORT)
        with subprocess.Popen(
            [sys.executable, str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path)},
            text=True,
        ) as process:
            assert process.stdout is not None
            told = process.stdout.readline()
            process.wait(LONG)
        pids: list[int] = json.loads(told)
        every.extend(pids)
        return pids

    yield run
    for pid in running(every):  # the test has failed, or it is a child that may stay
        os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_peers_end_with_their_origin(run, end):
    """Idle, looping and sleeping ones, and all they have started."""
    pids = run(
        f"""
peers = idle, looping, sleeping = [pytest_peer.start(shutdown=("halt", 0.5)) for _ in range(3)]
tell(*peers)
looping.cast(loop)
sleeping.cast(sleep)
for busy in (looping, sleeping):
    busy.stdout.wait_for("at it", 20)
{end}
"""
    )
    assert len(pids) == 9
    assert_gone(pids, PROMPTLY_GONE)


@pytest.mark.parametrize("obstacle", ["ignore_signals", "start_thread", "hang_at_exit"])
def test_peer_ends_with_its_killed_origin_in_spite_of(run, obstacle):
    pids = run(
        f"""
peer = pytest_peer.start()
peer.call({obstacle})
tell(peer)
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    assert_gone(pids, PROMPTLY_GONE)


def test_peer_that_is_booting_ends_with_its_killed_origin(run):
    pids = run(
        """
import psutil
peer = pytest_peer.start(wait_boot=False)
print(json.dumps([child.pid for child in psutil.Process().children()]), flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    assert pids
    assert_gone(pids, PROMPTLY_GONE)


def test_origin_killed_at_any_moment_of_a_boot_leaves_nothing(run):
    pids = run(
        """
import psutil
read, write = os.pipe()
for moment in range(20):
    if os.fork() == 0:
        peer = pytest_peer.start(wait_boot=False)
        os.write(write, b"%d " % psutil.Process().children()[0].pid)
        signal.setitimer(signal.ITIMER_REAL, 0.001 + moment / 50)
        signal.pause()
for _ in range(20):
    os.wait()
print(json.dumps([int(pid) for pid in os.read(read, 65536).split()]), flush=True)
"""
    )
    assert len(pids) == 20
    assert_gone(pids, PROMPTLY_GONE)


def test_restarted_peer_ends_with_its_killed_origin(run):
    pids = run(
        """
peer = pytest_peer.start()
peer.restart()
tell(peer)
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    assert_gone(pids, PROMPTLY_GONE)


def test_peer_ends_with_its_origin_during_a_big_message(run):
    pids = run(
        """
peer = pytest_peer.start()
tell(peer)
peer.pause()
peer.send("mailbox", bytes(64_000_000))
peer.resume()
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    assert_gone(pids, PROMPTLY_GONE)


def test_cast_that_fails_without_its_origin_leaves_nothing(run):
    """It can say so nowhere."""
    pids = run(
        """
def write_forever():
    while True:
        os.write(1, b"at it")

peer = pytest_peer.start()
tell(peer)
peer.cast(write_forever)
peer.stdout.wait_for("at it")
os._exit(3)
"""
    )
    assert_gone(pids, PROMPTLY_GONE)


# Origins that have forked a child


def test_forked_child_of_the_origin_does_not_keep_peers_alive(run):
    *pids, child = run(
        """
peer = pytest_peer.start()
child = os.fork()
if child == 0:
    time.sleep(600)
tell(peer, more=[child])
os.kill(os.getpid(), signal.SIGKILL)
"""
    )
    assert is_running(child)
    assert_gone(pids, PROMPTLY_GONE)


def test_normal_exit_of_a_fork_of_the_origin_ends_no_peer(run):
    pids = run(
        """
def main():
    with pytest_peer.start() as peer:
        child = multiprocessing.get_context("fork").Process(target=int)
        child.start()
        child.join()
        if os.fork() == 0:
            return  # its exit handlers run
        os.wait()
        assert peer.call(os.getpid) == peer.pid
        tell(peer)
        os._exit(0)
try:
    main()
finally:
    pass
"""
    )
    assert_gone(pids, PROMPTLY_GONE)


# Peers that lose the link by themselves


def close_descriptors() -> None:
    os.closerange(3, 256)


def wait_forever() -> None:
    threading.Event().wait()


def close_descriptors_and_wait() -> None:
    close_descriptors()
    wait_forever()


@pytest.mark.parametrize("loss", [close_descriptors, close_descriptors_and_wait])
def test_peer_that_closes_its_end_of_the_link_is_dead(peer_factory, loss):
    peer = peer_factory(peer_down="continue")
    pids = peer.call(start_child_and_grandchild)
    peer.cast(loss)
    assert peer.wait_down(LONG).kind == "link lost"
    peer.stop()
    assert_gone([peer.pid, *pids], within=0)


def test_call_that_closes_the_link_fails(peer_factory):
    peer = peer_factory(peer_down="continue")
    with pytest.raises(pytest_peer.PeerDown):
        peer.call_within(LONG, close_descriptors_and_wait)
