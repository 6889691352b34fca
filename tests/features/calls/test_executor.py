"""A peer is an `Executor`."""

from __future__ import annotations

import asyncio
import concurrent.futures
import operator
import os
import threading
import weakref
from collections.abc import Iterable, Iterator

import pytest
from mailbox_calls import take
from timeouts import LONG

from pytest_peer import Peer, PeerDown


class OwnError(Exception):
    """An exception that only this module has."""


class Made:
    """What can be referred to weakly."""

    def __init__(self, number: int) -> None:
        self.number = number


def fail(*args: object) -> None:
    raise OwnError(*args)


def test_peer_is_an_executor(shared: Peer) -> None:
    assert isinstance(shared, concurrent.futures.Executor)


def test_map_keeps_the_order(shared: Peer) -> None:
    assert list(shared.map(operator.add, range(10), range(10))) == list(range(0, 20, 2))


def test_map_raises_when_the_failure_is_reached(shared: Peer) -> None:
    results = shared.map(operator.truediv, [1, 1], [1, 0])
    assert next(results) == 1
    with pytest.raises(ZeroDivisionError):
        next(results)


def test_map_does_not_keep_what_it_has_given(shared: Peer) -> None:
    """As the standard library's own tests want it of executors."""
    for made in shared.map(Made, range(3)):
        kept = weakref.ref(made)
        del made
        assert kept() is None


@pytest.mark.parametrize("limit", [0, 0.05])
def test_map_beyond_the_limit_is_a_timeout_error(peer: Peer, limit: float) -> None:
    with pytest.raises(TimeoutError):
        list(peer.map(take, ["never", "ever"], timeout=limit))


def test_map_has_as_many_calls_at_once_as_buffersize_says(shared: Peer) -> None:
    taken = []
    results = shared.map(operator.neg, map_noting(taken, range(5)), buffersize=2)
    assert taken == [0, 1]
    assert next(results) == 0
    assert taken == [0, 1, 2]
    assert list(results) == [-1, -2, -3, -4]


def map_noting(taken: list[int], numbers: Iterable[int]) -> Iterator[int]:
    for number in numbers:
        taken.append(number)
        yield number


@pytest.mark.parametrize("size", [0, -1])
def test_map_refuses_a_buffersize_of_nothing(shared: Peer, size: int) -> None:
    with pytest.raises(ValueError, match="buffersize"):
        shared.map(operator.neg, [1], buffersize=size)


def test_run_in_executor(shared: Peer) -> None:
    async def main() -> int:
        return await asyncio.get_running_loop().run_in_executor(shared, operator.add, 1, 2)

    assert asyncio.run(main()) == 3


def test_run_in_executor_raises_the_exception(shared: Peer) -> None:
    async def main() -> None:
        await asyncio.get_running_loop().run_in_executor(shared, fail, "no")

    with pytest.raises(OwnError, match="no"):
        asyncio.run(main())


def test_wrap_future(shared: Peer) -> None:
    async def main() -> int:
        return await asyncio.wrap_future(shared.submit(operator.add, 1, 2))

    assert asyncio.run(main()) == 3


def test_shutdown_lets_pending_calls_finish(peer: Peer) -> None:
    futures = [peer.submit(take, "go") for _ in range(3)]
    ending = threading.Thread(target=peer.shutdown)
    ending.start()
    for number in range(3):
        peer.send("go", number)
    ending.join(LONG)
    assert sorted(future.result(0.1) for future in futures) == [0, 1, 2]
    assert peer.state == "down"


def test_shutdown_without_wait_does_not_wait_for_calls(peer: Peer) -> None:
    future = peer.submit(take, "never")
    peer.shutdown(wait=False)
    with pytest.raises(PeerDown):
        future.result(LONG)


def test_submit_after_shutdown_is_the_runtime_error_of_executors(peer: Peer) -> None:
    peer.shutdown()
    with pytest.raises(RuntimeError):
        peer.submit(os.getpid)


def test_leaving_a_with_block_stops_the_peer(peer: Peer) -> None:
    with peer as entered:
        assert entered is peer
        assert peer.call(os.getpid) == peer.pid
    assert peer.state == "down"
    assert peer.down_reason is not None
    assert peer.down_reason.kind == "stopped"


def test_leaving_a_with_block_does_not_wait_for_calls(peer: Peer) -> None:
    with peer:
        future = peer.submit(take, "never")
    with pytest.raises(PeerDown):
        future.result(LONG)
