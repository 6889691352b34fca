"""A cancelled future, or a cancelled `acall`, cancels a coroutine that runs in the peer."""

from __future__ import annotations

import asyncio
import concurrent.futures
import time
from typing import Any

import pytest
from gates import Gate
from mailbox_calls import report_and_take
from occupations import pass_gate_and_answer
from timeouts import LONG

from pytest_peer import CallTimeout, Peer, here


class OwnError(Exception):
    """An exception that only this module has."""


async def tell_of_cancellation(*_: object) -> None:
    here.origin.send("runs", None)
    try:
        await asyncio.sleep(LONG)
    except asyncio.CancelledError:
        here.origin.send("cancelled", None)
        raise


async def return_when_cancelled(value: str) -> str:
    try:
        here.origin.send("runs", None)
        await asyncio.sleep(LONG)
    except asyncio.CancelledError:
        return value
    return "not cancelled"


async def fail_when_cancelled() -> None:
    try:
        here.origin.send("runs", None)
        await asyncio.sleep(LONG)
    finally:
        raise OwnError("in the clean-up")


def begin_late(path: str) -> Any:
    """Wait for the gate, then return a coroutine."""
    pass_gate_and_answer(path)
    return tell_of_cancellation()


async def answer() -> str:
    await asyncio.sleep(0)
    return "answer"


def test_cancelled_future_cancels_the_coroutine(peer: Peer, peer_factory: Any) -> None:
    future = peer.submit(tell_of_cancellation)
    peer_factory.mailbox("runs").get(LONG)
    assert not future.cancel()  # it is cancelled when it has ended
    peer_factory.mailbox("cancelled").get(LONG)
    with pytest.raises(concurrent.futures.CancelledError) as caught:
        future.result(LONG)
    assert future.cancelled()
    assert type(caught.value.__cause__) is asyncio.CancelledError
    assert peer.call(answer) == "answer"


def test_waiters_see_that_a_future_was_cancelled(peer: Peer, peer_factory: Any) -> None:
    future = peer.submit(tell_of_cancellation)
    peer_factory.mailbox("runs").get(LONG)
    future.cancel()
    assert concurrent.futures.wait([future], LONG).done == {future}
    assert next(concurrent.futures.as_completed([future], LONG)) is future
    assert future.cancelled()


def test_cancelled_coroutine_may_return_a_value(peer: Peer, peer_factory: Any) -> None:
    future = peer.submit(return_when_cancelled, "value")
    peer_factory.mailbox("runs").get(LONG)
    future.cancel()
    assert future.result(LONG) == "value"
    assert not future.cancelled()
    assert not future.cancel()  # it has ended


def test_cancelled_coroutine_may_raise_another_exception(peer: Peer, peer_factory: Any) -> None:
    future = peer.submit(fail_when_cancelled)
    peer_factory.mailbox("runs").get(LONG)
    future.cancel()
    with pytest.raises(OwnError, match="in the clean-up"):
        future.result(LONG)


def test_coroutine_is_cancelled_before_it_begins(peer: Peer, peer_factory: Any, gate: Gate) -> None:
    future = peer.submit(begin_late, gate.path)
    gate.wait_reached()
    future.cancel()
    peer.call(time.sleep, 0)  # the peer has read that
    gate.open()
    with pytest.raises(concurrent.futures.CancelledError):
        future.result(LONG)
    assert peer.call(answer) == "answer"
    with pytest.raises(TimeoutError):
        peer_factory.mailbox("runs").get(0)


def test_big_call_that_is_on_its_way_is_cancelled(peer: Peer, peer_factory: Any) -> None:
    future = peer.submit(tell_of_cancellation, b"x" * 3_000_000)
    future.cancel()
    assert concurrent.futures.wait([future], LONG).done
    assert future.cancelled()


def test_function_goes_on_when_its_future_is_cancelled(peer: Peer, peer_factory: Any) -> None:
    future = peer.submit(report_and_take, "box")
    peer_factory.mailbox("runs").get(LONG)
    assert not future.cancel()
    peer.send("box", 1)
    assert future.result(LONG) == 1


def test_other_coroutines_go_on(peer: Peer, peer_factory: Any) -> None:
    stays, ends = (peer.submit(return_when_cancelled, "stays"), peer.submit(tell_of_cancellation))
    for _ in range(2):
        peer_factory.mailbox("runs").get(LONG)
    ends.cancel()
    assert concurrent.futures.wait([ends], LONG).done
    assert stays.running()
    stays.cancel()
    assert stays.result(LONG) == "stays"


def test_coroutine_on_the_other_thread_is_cancelled(peer: Peer, peer_factory: Any) -> None:
    held = peer.submit(report_and_take, "held")
    peer_factory.mailbox("runs").get(LONG)
    future = peer.submit(tell_of_cancellation)
    peer_factory.mailbox("runs").get(LONG)
    future.cancel()
    assert concurrent.futures.wait([future], LONG).done
    assert future.cancelled()
    peer.send("held", 1)
    assert held.result(LONG) == 1


def test_cancelled_acall_cancels_the_coroutine(peer: Peer, peer_factory: Any) -> None:
    async def main() -> str:
        call = asyncio.create_task(peer.acall(tell_of_cancellation))
        await asyncio.to_thread(peer_factory.mailbox("runs").get, LONG)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        await asyncio.to_thread(peer_factory.mailbox("cancelled").get, LONG)
        result: str = await peer.acall(answer)
        return result

    assert asyncio.run(main()) == "answer"


def test_cancelled_wrapped_future_cancels_the_coroutine(peer: Peer, peer_factory: Any) -> None:
    async def main() -> None:
        call = asyncio.wrap_future(peer.submit(tell_of_cancellation))
        await asyncio.to_thread(peer_factory.mailbox("runs").get, LONG)
        call.cancel()
        await asyncio.to_thread(peer_factory.mailbox("cancelled").get, LONG)

    asyncio.run(main())


def test_time_limit_of_acall_cancels_nothing(peer_factory: Any) -> None:
    peer = peer_factory(call_timeout=0.2)
    with pytest.raises(CallTimeout):
        asyncio.run(peer.acall(tell_of_cancellation))
    assert peer.call_within(LONG, answer) == "answer"
    with pytest.raises(TimeoutError):
        peer_factory.mailbox("cancelled").get(0)
