"""Forked children of the origin or of a peer neither use the link nor hide an end."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import psutil
import pytest
from gates import pass_gate
from processes import is_running
from timeouts import LONG, PROMPTLY_GONE

import pytest_peer


def wait_forever() -> None:
    threading.Event().wait()


# A child that the origin has forked


def forked(work) -> int:
    """The exit status of a child that has done `work`."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # the end of one that hangs
        try:
            work()
        except SystemExit as exc:
            os._exit(exc.code)
        except BaseException:
            os._exit(99)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_forked_child_of_the_origin_does_not_disturb_the_link(peer):
    assert forked(lambda: None) == 0
    assert peer.call(os.getpid) == peer.pid


@pytest.mark.parametrize(
    "use",
    [
        lambda peer: peer.call(os.getpid),
        lambda peer: peer.submit(os.getpid).result(5),
        lambda peer: peer.cast(os.getpid),
        lambda peer: peer.send("mailbox", "message"),
    ],
    ids=["call", "submit", "cast", "send"],
)
def test_forked_child_of_the_origin_cannot_use_a_peer(peer, use):
    def work() -> None:
        try:
            use(peer)
        except pytest_peer.PeerDown:
            sys.exit(42)

    assert forked(work) == 42
    assert peer.call(os.getpid) == peer.pid


@pytest.mark.parametrize("end", ["stop", "kill", "pause", "shutdown"])
def test_forked_child_of_the_origin_cannot_end_a_peer(peer, end):
    forked(lambda: getattr(peer, end)())
    assert peer.call_within(LONG, os.getpid) == peer.pid


def test_forked_child_may_start_peers_of_its_own(peer):
    def work() -> None:
        with pytest_peer.start(name=peer.name) as own:
            sys.exit(42 if own.call(os.getpid) == own.pid else 1)

    assert forked(work) == 42
    assert peer.call(os.getpid) == peer.pid


# Python's warning of a fork beside threads


def forked_strictly() -> int:
    """Python 3.15 raises it, and the child has no parent that waits for it."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return forked(lambda: sys.exit(42))


def forked_beside_a_thread() -> list[str]:
    stop = threading.Event()
    thread = threading.Thread(target=stop.wait)
    thread.start()
    try:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            assert forked(lambda: sys.exit(42)) == 42
    finally:
        stop.set()
        thread.join()
    return [str(warning.message) for warning in caught]


@pytest.mark.skipif("PYTEST_XDIST_WORKER" in os.environ, reason="there is a thread of xdist's")
def test_fork_beside_our_threads_in_the_origin_is_no_error(peer):
    peer.call(int)
    assert forked_strictly() == 42


@pytest.mark.parametrize("args", [[], ["-W", "error"]], ids=["", "-Werror"])
def test_fork_beside_our_threads_in_a_peer_is_no_error(peer_factory, args):
    peer = peer_factory(args=args)
    assert [peer.call(forked_strictly) for _ in range(2)] == [42, 42]
    assert peer.call(forked, exit_with_42) == 42


def exit_with_42() -> None:
    sys.exit(42)


@pytest.mark.skipif(sys.version_info < (3, 12), reason="Python 3.12 and newer warn of it")
def test_fork_beside_a_thread_of_the_users_is_warned_of(peer):
    for texts in (forked_beside_a_thread(), peer.call(forked_beside_a_thread)):
        assert len(texts) == 1 and "multi-threaded" in texts[0]


def test_no_thread_is_left_when_the_last_peer_has_gone(run):
    """Then a fork of the origin is one beside no thread."""
    program = """
        with start() as first:
            with start(start_method="spawn") as second:
                pass
            print(first.call(int), threading.active_count() > 1)
        pytest_peer.eventually(lambda: os.listdir("/proc/self/task") == [str(os.getpid())], 20)
    """
    assert run(program, program, "print('over')") == ["0 True", "0 True", "over"]


# A child that a peer has forked


def fork_child_that_stays(gate: str, *, leave_session: bool) -> int:
    child = os.fork()
    if child == 0:
        if leave_session:
            os.setsid()
        pass_gate(gate)
        os._exit(0)
    return child


@pytest.mark.parametrize("leave_session", [False, True])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV])
def test_forked_child_of_a_peer_does_not_hide_its_death(peer_factory, gate, leave_session, number):
    peer = peer_factory(peer_down="continue")
    child = peer.call(fork_child_that_stays, gate.path, leave_session=leave_session)
    gate.wait_reached()
    try:
        answer = peer.submit(wait_forever)
        began = time.monotonic()
        os.kill(peer.pid, number)
        with pytest.raises(pytest_peer.PeerDown, match=number.name):
            answer.result(LONG)
        assert time.monotonic() - began < PROMPTLY_GONE
    finally:
        if is_running(child):
            psutil.Process(child).kill()


def test_forked_child_of_a_peer_does_not_disturb_the_link(peer):
    assert peer.call(forked, os.getpid) == 0
    assert peer.call(os.getpid) == peer.pid


def test_normal_exit_of_a_forked_child_of_a_peer_is_no_end(peer):
    assert peer.call(subprocess.call, [sys.executable, "-c", "import os; os.fork()"]) == 0
    assert peer.call(in_multiprocessing, 20) == 21
    assert peer.call(os.getpid) == peer.pid


def in_multiprocessing(number: int) -> int:
    import multiprocessing

    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(add_one, (number,))


def add_one(number: int) -> int:
    return number + 1
