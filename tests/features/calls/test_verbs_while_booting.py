"""Verbs of a peer that is still booting."""

from __future__ import annotations

import concurrent.futures
import itertools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from gates import Gate
from timeouts import LONG

from pytest_peer import CallTimeout, EncodeError, Peer, PeerDown, PeerError, here

counter = itertools.count(1)


def count() -> int:
    return next(counter)


def take(box: str) -> Any:
    return here.mailbox(box).get(LONG)


def test_call_waits_for_the_boot(booting: Peer, gate: Gate) -> None:
    future = booting.submit(os.getpid)
    assert booting.state == "booting"
    assert not future.done()
    gate.open()
    assert future.result(LONG) == booting.pid


def test_plain_call_waits_for_the_boot(peer_factory: Any) -> None:
    peer = peer_factory(wait_boot=False)
    assert peer.call(os.getpid) == peer.pid


def test_point_waits_for_the_boot(booting: Peer, gate: Gate) -> None:
    gate.open()
    with booting.hold_at("posixpath:join") as point:
        future = booting.submit("posixpath:join", "a", "b")
        point.wait(LONG)
        point.release()
        assert future.result(LONG) == "a/b"


def test_call_within_its_own_limit_while_booting(booting: Peer, gate: Gate) -> None:
    with pytest.raises(CallTimeout, match=r"within 0\.01 s"):
        booting.call_within(0.01, os.getpid)
    gate.open()
    assert booting.call(os.getpid) == booting.pid


def test_result_within_its_own_limit_while_booting(booting: Peer, gate: Gate) -> None:
    future = booting.submit(os.getpid)
    with pytest.raises(CallTimeout):
        future.result(0)
    gate.open()
    assert future.result(LONG) == booting.pid


def test_calls_submitted_while_booting_are_all_made(booting: Peer, gate: Gate) -> None:
    futures = [booting.submit(count) for _ in range(20)]
    gate.open()
    assert sorted(future.result(LONG) for future in futures) == list(range(1, 21))


def test_cast_and_send_wait_for_the_boot(booting: Peer, gate: Gate) -> None:
    with ThreadPoolExecutor() as threads:
        said = threads.submit(booting.send, "early", "message"), threads.submit(booting.cast, count)
        assert not any(each.done() for each in said)
        gate.open()
        assert [each.result(LONG) for each in said] == [None, None]
    assert booting.call(take, "early") == "message"


def test_cast_and_send_to_a_failed_boot_raise_the_reason(booting: Peer, gate: Gate) -> None:
    with ThreadPoolExecutor() as threads:
        said = threads.submit(booting.send, "early", 1), threads.submit(booting.cast, count)
        booting.kill()
        for each in said:
            with pytest.raises(PeerDown, match="boot failed"):
                each.result(LONG)


def test_failed_cast_while_booting_fails_no_later_send(booting: Peer, gate: Gate) -> None:
    with ThreadPoolExecutor() as threads:
        cast = threads.submit(booting.cast, repr, threading.Lock())
        gate.open()
        with pytest.raises(EncodeError):
            cast.result(LONG)
    booting.send("box", "message")
    assert booting.call(take, "box") == "message"


def test_future_cancelled_while_booting_is_never_called(booting: Peer, gate: Gate) -> None:
    cancelled = booting.submit(count)
    assert cancelled.cancel()
    gate.open()
    assert booting.call(count) == 1
    with pytest.raises(concurrent.futures.CancelledError):
        cancelled.result(LONG)


def test_argument_that_cannot_be_sent_while_booting(booting: Peer, gate: Gate) -> None:
    future = booting.submit(repr, threading.Lock())
    gate.open()
    assert isinstance(future.exception(LONG), EncodeError)
    assert booting.call(os.getpid) == booting.pid


def test_stacks_of_a_booting_peer_are_an_error_that_says_so(booting: Peer) -> None:
    with pytest.raises((TimeoutError, PeerError)):
        booting.dump_stacks()


def test_call_to_a_peer_that_does_not_boot_raises_the_reason(
    peer_factory: Any,
) -> None:
    peer = peer_factory(exec=["sh", "-c", "exit 7"], wait_boot=False)
    with pytest.raises(PeerError) as caught:
        peer.call_within(LONG, os.getpid)
    assert peer.wait_down(LONG).kind == "boot failed"
    assert "7" in str(caught.value)


def test_pending_call_to_a_peer_stopped_while_booting(booting: Peer) -> None:
    future = booting.submit(os.getpid)
    booting.stop()
    with pytest.raises(PeerDown):
        future.result(LONG)
