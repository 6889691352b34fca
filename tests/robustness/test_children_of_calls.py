"""A child that a call forks ends with it, as an interpreter does whose program ends there."""

from __future__ import annotations

import asyncio
import atexit
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from gates import Gate, pass_gate
from occupations import wait_forever
from timeouts import LONG

from pytest_peer import Peer


def divide_by_zero() -> None:
    print(1 / 0)


#: How a child ends, and its status then.
ENDS: dict[str, tuple[Callable[[], object], int]] = {
    "returns": (int, 0),
    "exits": (sys.exit, 0),
    "exits_with_7": (partial(sys.exit, 7), 7),
    "exits_with_-1": (partial(sys.exit, -1), 255),
    "exits_with_text": (partial(sys.exit, "a text"), 1),
    "raises": (divide_by_zero, 1),
}


def fork(end: Callable[[], object]) -> Any:
    """Fork a child that ends so; return its exit status in the parent."""
    child = os.fork()
    if child == 0:
        signal.alarm(10)  # the end of one that hangs
        return end()
    return exit_status(child)


def exit_status(child: int) -> int:
    status = os.waitpid(child, 0)[1]
    return os.WEXITSTATUS(status) if os.WIFEXITED(status) else -os.WTERMSIG(status)


async def fork_in_coroutine(end: Callable[[], object]) -> Any:
    await asyncio.sleep(0)
    return fork(end)


def on_main(peer: Peer, end: Callable[[], object]) -> Any:
    return peer.call_within(LONG, fork, end)


def beside(peer: Peer, end: Callable[[], object]) -> Any:
    peer.submit(wait_forever)
    peer.stdout.wait_for("waiting", LONG)
    return peer.call_within(LONG, fork, end)


def in_coroutine(peer: Peer, end: Callable[[], object]) -> Any:
    return peer.call_within(LONG, fork_in_coroutine, end)


WAYS = pytest.mark.parametrize("way", [on_main, beside, in_coroutine])


@WAYS
@pytest.mark.parametrize("end", ENDS)
def test_child_of_a_call_ends_as_a_program_does(peer, way, end):
    do, status = ENDS[end]
    assert way(peer, do) == status


@WAYS
def test_child_of_a_call_shows_its_own_traceback(peer, way):
    assert way(peer, ENDS["raises"][0]) == 1
    shown = peer.stderr.text
    assert shown.endswith("ZeroDivisionError: division by zero\n")
    assert "pytest_peer" + os.sep not in shown
    assert shown.count("Traceback") == 1


@WAYS
def test_child_of_a_call_shows_what_it_exits_with(peer, way):
    assert way(peer, ENDS["exits_with_text"][0]) == 1
    assert peer.stderr.text == "a text\n"


def leave_work() -> None:
    """Leave a thread, a callback and a text to the end of the interpreter."""
    ended = threading.Event()
    threading.Thread(target=lambda: ended.wait() and print("thread"), daemon=False).start()
    atexit.register(print, "callback", end="")
    ended.set()


@WAYS
def test_child_of_a_call_runs_what_an_end_runs(peer, way):
    assert way(peer, leave_work) == 0
    assert peer.stdout.text.endswith("thread\ncallback")


def write_to_a_global_file(path: str) -> None:
    global kept
    kept = open(path, "w")  # noqa: SIM115
    kept.write("buffered")


def test_child_of_a_call_writes_its_files(peer, tmp_path):
    path = tmp_path / "file"
    assert on_main(peer, partial(write_to_a_global_file, str(path))) == 0
    assert path.read_text() == "buffered"


def fork_when_imported(path: str) -> Any:
    sys.path.insert(0, path)
    import forks_when_imported

    return forks_when_imported.status


def test_child_forked_by_an_import_ends_with_its_status(peer, tmp_path):
    source = """
import os, sys
child = os.fork() or sys.exit(7)
status = os.waitpid(child, 0)[1]
"""
    (tmp_path / "forks_when_imported.py").write_text(source)
    assert peer.call_within(LONG, fork_when_imported, str(tmp_path)) == 7 << 8
    assert peer.call_within(LONG, "forks_when_imported:os.getpid") == peer.pid


def fork_on_a_signal() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: print("status", fork(int), flush=True))


def thread_name() -> str:
    return threading.current_thread().name


@pytest.fixture(params=["reads", "waits"])
def idle(request: pytest.FixtureRequest, peer: Peer, gate: Gate) -> Peer:
    """A peer whose main thread reads the link, or waits for calls since a long one has ended."""
    peer.call(fork_on_a_signal)
    if request.param == "waits":
        long = peer.submit(pass_gate, gate.path)
        gate.wait_reached()
        assert peer.call(thread_name).startswith("peer-call")
        gate.open()
        long.result(LONG)
    return peer


def test_child_of_a_signal_handler_ends_while_no_call_runs(idle):
    idle.kill(signal.SIGUSR1)
    # Wakes the main thread, if the signal came just before it began to wait.
    assert idle.call_within(LONG, os.getpid) == idle.pid
    idle.stdout.wait_for("status 0\n", LONG)


def prefork(workers: int) -> list[int]:
    """Do as a server that forks workers, until TERM; and forks new ones at each HUP."""
    # Not by what the handlers do: none runs if its signal comes just before a wait begins.
    got, told = os.pipe()
    os.set_blocking(told, False)
    signal.set_wakeup_fd(told)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    statuses = []
    while True:
        children = []
        for status in range(workers):
            child = os.fork()
            if child == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGTERM, lambda *_, status=status: sys.exit(status))
                os.write(1, b"serving\n")
                while True:  # by short steps, for the same reason
                    time.sleep(0.01)
            children.append(child)
        number = os.read(got, 1)[0]
        for child in children:
            os.kill(child, signal.SIGTERM)
            statuses.append(exit_status(child))
        if number == signal.SIGTERM:
            return statuses


def test_server_that_forks_workers_takes_hup_and_term(peer):
    served = peer.submit(prefork, 2)
    for begun, number in ((2, signal.SIGHUP), (4, signal.SIGTERM)):
        peer.stdout.wait_for("(serving\n){%d}" % begun, LONG)
        peer.kill(number)
    assert served.result(LONG) == [0, 1, 0, 1]
