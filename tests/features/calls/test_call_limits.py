"""Time limits of calls, and signals while a call waits."""

from __future__ import annotations

import inspect
import itertools
import math
import operator
import os
import signal
import time
from pathlib import Path
from typing import Any

import pytest
from mailbox_calls import report_and_take, take
from timeouts import AGES, LONG

from pytest_peer import CallTimeout, Peer, PeerError

counter = itertools.count(1)


def count() -> int:
    return next(counter)


# Limits


def test_call_within_the_limit_returns_the_value(shared: Peer) -> None:
    assert shared.call_within(LONG, operator.add, 1, 2) == 3


@pytest.mark.parametrize("limit", [None, math.inf, 10**10])
def test_call_without_a_limit_worth_the_name(shared: Peer, limit: float | None) -> None:
    assert shared.call_within(limit, operator.add, 1, 2) == 3
    assert shared.submit(operator.add, 1, 2).result(limit) == 3


@pytest.mark.parametrize("limit", [0, 0.05])
def test_call_beyond_the_limit_is_a_timeout(peer: Peer, limit: float) -> None:
    with pytest.raises(CallTimeout, match=rf"within {limit:g} s"):
        peer.call_within(limit, take, "never")


def test_call_timeout_is_a_timeout_error_too(peer: Peer) -> None:
    with pytest.raises(TimeoutError):
        peer.call_within(0, take, "never")
    assert issubclass(CallTimeout, PeerError)


def test_limit_of_zero_times_out_even_a_fast_function(shared: Peer) -> None:
    for _ in range(20):
        with pytest.raises(CallTimeout):
            shared.call_within(0, os.getpid)


def test_option_call_timeout_limits_calls(peer_factory: Any) -> None:
    with pytest.raises(CallTimeout, match=r"0\.05 s"):
        peer_factory(call_timeout=0.05).call(take, "never")


def test_timeout_carries_the_stacks(peer: Peer, peer_factory: Any) -> None:
    future = peer.submit(report_and_take, "never")
    peer_factory.mailbox("runs").get(LONG)
    with pytest.raises(CallTimeout) as caught:
        future.result(0.01)
    assert "in report_and_take" in caught.value.stacks
    assert Path(inspect.getfile(report_and_take)).name in caught.value.stacks
    assert caught.value.stacks in str(caught.value)


def test_timeout_of_a_stopped_peer_says_why_there_are_no_stacks(peer: Peer) -> None:
    peer.pause()
    with pytest.raises(CallTimeout, match="no stacks"):
        peer.call_within(0.01, os.getpid)
    peer.resume()
    assert peer.call(os.getpid) == peer.pid


def test_function_goes_on_after_the_timeout(peer: Peer, peer_factory: Any) -> None:
    with pytest.raises(CallTimeout):
        peer.call_within(0.01, report_and_take, "late")
    peer.send("late", "answer")
    assert peer_factory.mailbox("went on").get(LONG) == "answer"


def test_late_answer_is_dropped_and_the_link_is_usable(peer: Peer, peer_factory: Any) -> None:
    with pytest.raises(CallTimeout):
        peer.call_within(0.01, report_and_take, "late")
    futures = [peer.submit(operator.add, number, number) for number in range(20)]
    peer.send("late", "answer")
    peer_factory.mailbox("went on").get(LONG)
    assert [future.result(LONG) for future in futures] == [2 * number for number in range(20)]
    assert [peer.call(operator.neg, number) for number in range(20)] == [-n for n in range(20)]


@pytest.mark.parametrize("limit", [-1, -0.001, math.nan, -math.inf])
def test_limit_that_is_none_is_refused(shared: Peer, limit: float) -> None:
    with pytest.raises(ValueError, match=repr(limit)):
        shared.call_within(limit, os.getpid)
    with pytest.raises(ValueError, match=repr(limit)):
        shared.submit(os.getpid).result(limit)
    with pytest.raises(ValueError, match=repr(limit)):
        shared.submit(os.getpid).exception(limit)


@pytest.mark.parametrize("limit", ["1", True, [1]])
def test_limit_of_a_wrong_type_is_refused(shared: Peer, limit: Any) -> None:
    with pytest.raises(TypeError) as caught:
        shared.call_within(limit, os.getpid)
    assert repr(limit) in str(caught.value)


def test_nothing_is_called_with_a_wrong_limit(peer: Peer) -> None:
    with pytest.raises(ValueError, match="-1"):
        peer.call_within(-1, count)
    assert peer.call(count) == 1


# Interruption


def test_call_may_be_interrupted_and_the_link_is_usable(peer: Peer) -> None:
    class Interrupted(Exception):
        pass

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(Interrupted):
            peer.call(interrupt_origin_and_take, os.getpid())
    finally:
        signal.signal(signal.SIGUSR1, before)
    peer.send("never", 1)
    assert [peer.call(operator.neg, number) for number in range(20)] == [-n for n in range(20)]


def interrupt_origin_and_take(origin: int) -> None:
    os.kill(origin, signal.SIGUSR1)
    take("never")


# Of futures


@pytest.mark.parametrize("ask", ["result", "exception"])
def test_future_without_a_limit_has_that_of_calls(peer_factory: Any, ask: str) -> None:
    peer = peer_factory(call_timeout=0.05)
    future = peer.submit(time.sleep, AGES)
    with pytest.raises(CallTimeout, match=r"within 0.05 s") as caught:
        getattr(future, ask)()
    assert caught.value.stacks


def test_future_counts_its_limit_from_the_asking(peer_factory: Any) -> None:
    peer = peer_factory(call_timeout=2)
    future = peer.submit(take, "answer")
    with pytest.raises(CallTimeout):
        future.result()
    peer.send("answer", 42)
    assert future.result() == 42


def test_future_may_be_asked_without_a_limit(peer_factory: Any) -> None:
    peer = peer_factory(call_timeout=0.05)
    assert peer.submit(time.sleep, 0.2).result(None) is None
