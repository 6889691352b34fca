"""Code under test patches its own process, a peer: what the peer itself needs is from before."""

from __future__ import annotations

import asyncio
import contextlib
import operator
import os
import threading
import time
from typing import Any
from unittest import mock

import pytest
from gates import Gate
from occupations import pass_gate_and_answer
from timeouts import AT_ONCE, LONG

from pytest_peer import CallTimeout, Peer, here

BIG = 3_000_000


def patch(targets: str, **how: Any) -> None:
    for target in targets.split():
        with contextlib.suppress(AttributeError):  # this Python has none
            mock.patch(target, **how).start()


def answer(message: Any) -> None:
    here.origin.send("answers", here.mailbox("questions").get(LONG) + message)


def sleep_long() -> None:
    time.sleep(LONG)  # past every limit here


async def twice(value: int) -> int:
    await asyncio.sleep(0)
    return value * 2


def assert_works(peer: Peer, peer_factory: Any, gate: Gate) -> None:
    assert peer.call_within(LONG, operator.add, 1, 2) == 3
    assert len(peer.call_within(LONG, operator.mul, b"x", BIG)) == BIG
    held = peer.submit(pass_gate_and_answer, gate.path)
    gate.wait_reached()
    peer.send("questions", "a")
    peer.call_within(LONG, answer, "b")
    assert peer_factory.mailbox("answers").get(LONG) == "ab"
    with pytest.raises(ZeroDivisionError):
        peer.call_within(LONG, operator.truediv, 1, 0)
    gate.open()
    assert held.result(LONG) == "passed"


TARGETS = {
    "_thread": "_thread.allocate_lock _thread.start_new_thread _thread.get_ident",
    "os": "os._exit os.getpid os.kill os.killpg os.read os.readv os.write os.writev",
    "pickle": "pickle.Pickler pickle.Unpickler pickle.dumps pickle.loads",
    "queue": "queue.SimpleQueue queue.Queue",
    "select": "select.poll select.epoll select.select",
    "locks": "threading.Condition threading.Event threading.Lock threading.RLock",
    "Thread": "threading.Thread",
    "start": "threading.Thread.start",
    "threading": "threading._start_new_thread threading._start_joinable_thread threading.get_ident",
    "io": "io.BytesIO operator.attrgetter",
    "time": "time.monotonic time.sleep time.time",
}


@pytest.mark.parametrize("how", [{}, {"side_effect": ZeroDivisionError}], ids=["idle", "raising"])
@pytest.mark.parametrize("targets", TARGETS)
def test_peer_works_while_it_is_patched(
    peer: Peer, peer_factory: Any, gate: Gate, how: dict[str, Any], targets: str
) -> None:
    peer.call(patch, TARGETS[targets], **how)
    assert_works(peer, peer_factory, gate)
    peer.stop()
    assert peer.down_reason is not None
    assert peer.down_reason.exit_status == 0


@pytest.mark.parametrize("target", ["os.stat", "linecache.getline", "tokenize.open"])
def test_limit_passes_while_a_peer_is_patched(peer: Peer, target: str) -> None:
    peer.call(patch, target, side_effect=ZeroDivisionError)
    with pytest.raises(CallTimeout, match="sleep_long"):
        peer.call_within(AT_ONCE, sleep_long)
    assert peer.call_within(LONG, max, 1, 2) == 2


@pytest.mark.parametrize("target", ["threading.Thread", "os.read", "time.time"])
def test_coroutines_run_while_a_peer_is_patched(peer: Peer, target: str) -> None:
    peer.call(patch, target)
    assert peer.call_within(LONG, twice, 2) == 4


def patch_new_loops(**how: Any) -> None:
    mock.patch("asyncio.new_event_loop", **how).start()


@pytest.mark.parametrize("thread", ["main", "own"])
def test_loop_that_cannot_be_made_is_an_error_of_its_call(peer: Peer, thread: str) -> None:
    if thread == "own":
        peer.call(patch, "select.poll")  # the loop's own thread makes it then, as with gevent
    peer.call(patch_new_loops, side_effect=OSError("no more descriptors"))
    with pytest.raises(OSError, match="no more descriptors"):
        peer.call_within(LONG, twice, 2)
    peer.call(mock.patch.stopall)
    assert peer.call_within(LONG, twice, 2) == 4


def make_loops_late() -> None:
    make = asyncio.new_event_loop

    def make_late() -> asyncio.AbstractEventLoop:
        here.origin.send("makes", None)
        here.mailbox("go on").get(LONG)
        return make()

    patch_new_loops(side_effect=make_late)


def test_peer_works_while_its_loop_is_being_made(peer: Peer, peer_factory: Any) -> None:
    peer.call(make_loops_late)
    doubled = peer.submit(twice, 2)
    peer_factory.mailbox("makes").get(LONG)
    assert peer.call_within(LONG, operator.add, 1, 2) == 3
    peer.send("go on", None)
    assert doubled.result(LONG) == 4


def thread_name() -> str:
    return threading.current_thread().name


def test_threads_of_calls_have_names(peer: Peer, gate: Gate) -> None:
    held = peer.submit(pass_gate_and_answer, gate.path)
    gate.wait_reached()
    assert peer.call(thread_name).startswith("peer-call-")
    gate.open()
    held.result(LONG)


def trace_threads() -> None:
    """Do as a debugger does."""
    for name in ("_start_new_thread", "_start_joinable_thread"):
        start = getattr(threading, name, None)

        def traced(*args: Any, start: Any = start, **kwargs: Any) -> Any:
            print("traced")
            return start(*args, **kwargs)

        traced.__module__ = "_pydev_bundle.pydev_monkey"
        if start is not None:
            setattr(threading, name, traced)


def test_debugger_traces_the_threads_of_calls(peer: Peer, gate: Gate) -> None:
    peer.call(trace_threads)
    held = peer.submit(pass_gate_and_answer, gate.path)
    gate.wait_reached()
    assert peer.call(thread_name).startswith("peer-call-")
    gate.open()
    held.result(LONG)
    assert "traced" in peer.stdout.text


async def use_loop() -> str:
    await asyncio.to_thread(time.sleep, 0.001)
    return "slept"


def patch_all() -> None:
    from gevent import monkey

    monkey.patch_all()


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_peer_works_with_what_gevent_patches(
    peer_factory: Any, gate: Gate, start_method: str
) -> None:
    pytest.importorskip("gevent")
    peer = peer_factory(start_method=start_method)
    peer.call(patch_all)
    assert_works(peer, peer_factory, gate)
    assert [peer.call_within(LONG, use_loop) for _ in range(3)] == ["slept"] * 3
    assert peer.call(os.getpid) == peer.pid
    peer.stop()
    assert peer.down_reason.exit_status == 0
