"""`submit` returns a future."""

from __future__ import annotations

import concurrent.futures
import operator
import os
import queue
import sys
import threading
import time
import traceback

import pytest
from mailbox_calls import take
from timeouts import LONG, SOON

from pytest_peer import CallTimeout, EncodeError, Peer


class OwnError(Exception):
    """An exception that only this module has."""


class Account:
    def __init__(self, balance: int) -> None:
        self.balance = balance


def fail(*args: object) -> None:
    raise OwnError(*args)


def test_future_may_be_asked_twice(shared: Peer) -> None:
    future = shared.submit(Account, 5)
    assert future.result(LONG) is future.result(LONG)
    assert future.done()
    assert future.exception() is None


def test_failed_future_raises_the_same_every_time(shared: Peer) -> None:
    future = shared.submit(fail, "no")
    frames = []
    for _ in range(3):
        with pytest.raises(OwnError) as caught:
            future.result(LONG)
        frames.append(len(traceback.extract_tb(caught.value.__traceback__)))
    assert len(set(frames)) == 1


def test_exception_of_a_future(shared: Peer) -> None:
    exc = shared.submit(fail, "no").exception(LONG)
    assert type(exc) is OwnError
    assert exc.args == ("no",)


def test_future_may_be_asked_again_after_a_timeout(peer: Peer) -> None:
    future = peer.submit(take, "go")
    with pytest.raises(CallTimeout):
        future.result(0)
    with pytest.raises(CallTimeout):
        future.exception(0.01)
    peer.send("go", 1)
    assert future.result(LONG) == 1


def test_future_of_a_running_call_cannot_be_cancelled(shared: Peer) -> None:
    future = shared.submit(take, "running")
    assert not future.cancel()
    shared.send("running", 1)
    assert future.result(LONG) == 1


def test_as_completed_yields_in_order_of_completion(shared: Peer) -> None:
    futures = {shared.submit(take, box): box for box in ("first", "second")}
    completed = concurrent.futures.as_completed(futures, LONG)
    shared.send("second", 2)
    assert futures[next(completed)] == "second"
    shared.send("first", 1)
    assert futures[next(completed)] == "first"


def test_wait_for_the_first_exception_ends_with_it(peer: Peer) -> None:
    waiting, failing = peer.submit(take, "never"), peer.submit(fail, "no")
    began = time.monotonic()
    done, _ = concurrent.futures.wait([waiting, failing], LONG, concurrent.futures.FIRST_EXCEPTION)
    assert done == {failing}
    assert time.monotonic() - began < SOON
    assert isinstance(failing.exception(0), OwnError)


def test_future_shows_what_it_returned_or_raised(shared: Peer) -> None:
    futures = [shared.submit(Account, 5), shared.submit(fail, "no")]
    concurrent.futures.wait(futures, LONG)
    assert "finished returned Account" in repr(futures[0])
    assert "finished raised OwnError" in repr(futures[1])
    assert isinstance(futures[1].exception(), OwnError)


def test_fields_that_newer_asyncio_reads_are_the_outcome(shared: Peer) -> None:
    """From Python 3.15 it does not call `result` and `exception`."""
    futures = [shared.submit(Account, 5), shared.submit(fail, "no")]
    concurrent.futures.wait(futures, LONG)
    value, exc = futures[0]._result, futures[1]._exception  # type: ignore[attr-defined]
    assert value is futures[0].result()
    assert exc is futures[1].exception()
    assert futures[0]._exception is None  # type: ignore[attr-defined]
    assert futures[1]._result is None  # type: ignore[attr-defined]


def test_done_callback_is_called(shared: Peer) -> None:
    called = threading.Event()
    shared.submit(os.getpid).add_done_callback(lambda _: called.set())
    assert called.wait(LONG)


def test_done_callback_may_call_the_same_peer(shared: Peer) -> None:
    answers: queue.SimpleQueue[int] = queue.SimpleQueue()
    future = shared.submit(operator.add, 1, 2)
    future.add_done_callback(lambda _: answers.put(shared.call(operator.add, 3, 4)))
    assert answers.get(timeout=LONG) == 7


def test_done_callback_that_raises_harms_no_call(
    shared: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    raised: queue.SimpleQueue[object] = queue.SimpleQueue()
    monkeypatch.setattr(threading, "excepthook", lambda args: raised.put(args.exc_type))
    future = shared.submit(take, "callback")  # a future that is done would call it here
    future.add_done_callback(lambda _: sys.exit("from a callback"))
    shared.send("callback", 1)
    assert raised.get(timeout=LONG) is SystemExit
    assert shared.submit(operator.add, 1, 2).result(LONG) == 3


def test_done_callback_may_ask_for_the_result(shared: Peer) -> None:
    results: list[int] = []
    done = threading.Event()
    future = shared.submit(operator.add, 1, 2)
    future.add_done_callback(lambda future: (results.append(future.result()), done.set()))
    assert done.wait(LONG)
    assert results == [3]


def test_argument_that_cannot_be_sent_is_the_future_s_exception(shared: Peer) -> None:
    assert isinstance(shared.submit(repr, threading.Lock()).exception(LONG), EncodeError)
