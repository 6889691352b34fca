"""Calls run side by side; the first of them on the main thread of the peer."""

from __future__ import annotations

import asyncio
import concurrent.futures
import operator
import threading
from typing import Any

import pytest
from mailbox_calls import report_and_take, take
from timeouts import LONG

from pytest_peer import EncodeError, Peer, here


class OwnError(Exception):
    """An exception that only this module has."""


def fail(*args: object) -> None:
    raise OwnError(*args)


def report_where(box: str) -> bool:
    here.origin.send("runs", box)
    take(box)
    return on_main_thread()


def on_main_thread() -> bool:
    return threading.current_thread() is threading.main_thread()


async def twice(value: Any) -> Any:
    await asyncio.sleep(0)
    return value * 2


def test_first_call_runs_on_the_main_thread(peer: Peer) -> None:
    assert peer.call(on_main_thread)


def test_sequential_calls_all_run_on_the_main_thread(shared: Peer) -> None:
    assert all(shared.call(on_main_thread) for _ in range(1000))


def test_sequential_futures_all_run_on_the_main_thread(shared: Peer) -> None:
    assert all(shared.submit(on_main_thread).result(LONG) for _ in range(1000))


def test_call_after_a_failed_one_runs_on_the_main_thread(shared: Peer) -> None:
    for _ in range(100):
        with pytest.raises(OwnError):
            shared.call(fail)
        assert shared.call(on_main_thread)


def test_call_after_a_coroutine_runs_on_the_main_thread(shared: Peer) -> None:
    for _ in range(100):
        shared.call(twice, 1)
        assert shared.call(on_main_thread)


def test_call_after_an_unsendable_result_runs_on_the_main_thread(shared: Peer) -> None:
    for _ in range(100):
        with pytest.raises(EncodeError):
            shared.call(threading.Lock)
        assert shared.call(on_main_thread)


def test_calls_run_side_by_side(peer: Peer, peer_factory: Any) -> None:
    futures = [peer.submit(report_and_take, box) for box in ("a", "b", "c")]
    running = {peer_factory.mailbox("runs").get(LONG) for _ in futures}
    assert running == {"a", "b", "c"}
    assert peer.call(operator.add, 1, 2) == 3
    for box in running:
        peer.send(box, box * 2)
    assert [future.result(LONG) for future in futures] == ["aa", "bb", "cc"]


def test_main_thread_is_used_again_when_it_is_free(peer: Peer, peer_factory: Any) -> None:
    first = peer.submit(report_where, "first")
    peer_factory.mailbox("runs").get(LONG)
    assert not peer.call(on_main_thread)
    peer.send("first", None)
    assert first.result(LONG)
    assert peer.call(on_main_thread)


def test_many_threads_may_call_at_once(shared: Peer) -> None:
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        squares = pool.map(lambda number: shared.call(operator.mul, number, number), range(400))
    assert list(squares) == [number * number for number in range(400)]


def test_fifty_calls_at_once(shared: Peer) -> None:
    futures = [shared.submit(take, "fifty") for _ in range(50)]
    for number in range(50):
        shared.send("fifty", number)
    assert sorted(future.result(LONG) for future in futures) == list(range(50))
