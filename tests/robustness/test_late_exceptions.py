"""An exception that code raises in a thread of the peer itself, as libraries for time limits do when
they come too late: the peer dies of it, or goes on to answer."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import ctypes
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from gates import Gate, pass_gate
from timeouts import LONG

import pytest_peer
from pytest_peer import Mailbox, Peer, here


class LateError(Exception):
    pass


class LateInterrupt(BaseException):
    pass


def raise_in(function: str, exception: type[BaseException]) -> int:
    """Raise it in all other threads that run a function of that name; return their number."""
    raise_there = ctypes.pythonapi.PyThreadState_SetAsyncExc
    raised = 0
    for ident, innermost in sys._current_frames().items():
        frame: Any = innermost
        while frame is not None and frame.f_code.co_name != function:
            frame = frame.f_back
        if frame is not None and ident != threading.get_ident():
            raised += raise_there(ctypes.c_ulong(ident), ctypes.py_object(exception))
    return raised


async def add_one(number: int) -> int:
    await asyncio.sleep(0)
    return number + 1


def start_lasting_thread() -> None:
    threading.Thread(target=threading.Event().wait, daemon=False).start()


def assert_works_or_dies(peer: Peer, raised: Mailbox, gate: Gate) -> None:
    died = None
    try:
        assert raised.get(LONG) == 1
        for _ in range(3):
            assert peer.call_within(LONG, os.getpid) == peer.pid
        held = peer.submit(pass_gate, gate.path)
        peer.call_within(LONG, os.getpid)
        gate.open()
        held.result(LONG)
        assert peer.call_within(LONG, add_one, 1) == 2
        assert len(peer.call_within(LONG, bytes, 3_000_000)) == 3_000_000
    except pytest_peer.PeerDown:
        died = peer.wait_down(LONG)
    if died is not None:
        assert died.exit_status == 1
        assert "Late" in peer.stderr.text


def hold_and_raise(gate: str, function: str, exception: type[BaseException]) -> None:
    pass_gate(gate)
    while not (raised := raise_in(function, exception)):  # a thread takes an idle loop back soon
        time.sleep(0.001)
    here.origin.send("raised", raised)


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
@pytest.mark.parametrize("exception", [LateError, LateInterrupt])
@pytest.mark.parametrize("thread", ["_stand_by", "_run_loop", "main_loop"])
def test_peer_works_or_dies(peer_factory, tmp_path, thread, exception, start_method):
    peer = peer_factory(start_method=start_method, peer_down="continue")
    assert peer.call(add_one, 1) == 2
    peer.call(start_lasting_thread)
    first, second, third = (Gate(tmp_path / f"gate{number}") for number in range(3))
    # So that the main thread is idle when the second raises, and the other thread reads.
    on_main = peer.submit(pass_gate, first.path)
    first.wait_reached()
    peer.submit(hold_and_raise, second.path, thread, exception)
    second.wait_reached()
    first.open()
    on_main.result(LONG)
    second.open()
    assert_works_or_dies(peer, peer_factory.mailbox("raised"), third)
    third.close()


async def raise_exit_in_a_task() -> None:
    task = asyncio.get_running_loop().create_task(exit_later())
    here.origin.send("task", task.get_name())


async def exit_later() -> None:
    sys.exit(3)


async def stop_the_loop() -> None:
    asyncio.get_running_loop().stop()


@pytest.mark.parametrize("end", [raise_exit_in_a_task, stop_the_loop])
def test_coroutines_run_although_one_ends_the_loop(peer, end):
    peer.call_within(LONG, end)
    for number in range(10):
        assert peer.call_within(LONG, add_one, number) == number + 1


def fail_on_a_signal(note: Path) -> None:
    def fail(*_: object) -> None:
        raise LookupError("in a handler")

    atexit.register(note.write_text, "ran")
    signal.signal(signal.SIGUSR1, fail)


def test_handler_that_raises_in_an_idle_peer_ends_it_in_order(peer: Peer, tmp_path: Path) -> None:
    peer.call(fail_on_a_signal, tmp_path / "note")
    with peer.expect_death():
        peer.kill(signal.SIGUSR1)
        # Wakes the main thread, if the signal came just before it began to wait.
        with contextlib.suppress(pytest_peer.PeerDown):
            peer.call_within(LONG, int)
        assert peer.wait_down(LONG).exit_status == 1
    assert (tmp_path / "note").read_text() == "ran"
