"""Coroutine functions, on the event loop of the peer."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import Peer, here


class OwnError(Exception):
    """An exception that only this module has."""


async def twice(value: Any) -> Any:
    await asyncio.sleep(0)
    return value * 2


async def loop_and_thread() -> tuple[int, int]:
    return id(asyncio.get_running_loop()), threading.get_ident()


events: dict[str, asyncio.Event] = {}


async def wait_for_event(name: str) -> str:
    event = events.setdefault(name, asyncio.Event())
    here.origin.send("runs", name)
    await asyncio.wait_for(event.wait(), LONG)
    return name


async def set_event(name: str) -> None:
    events[name].set()


async def fail_later() -> None:
    await asyncio.sleep(0)
    raise OwnError("later")


def test_coroutine_function_returns_its_value(shared: Peer) -> None:
    assert shared.call(twice, "ab") == "abab"


def test_coroutine_function_raises_its_exception(shared: Peer) -> None:
    with pytest.raises(OwnError, match="later"):
        shared.call(fail_later)


def test_coroutine_functions_share_one_loop(shared: Peer) -> None:
    assert len({shared.call(loop_and_thread) for _ in range(5)}) == 1


def test_coroutines_run_side_by_side(shared: Peer, module_peer_factory: Any) -> None:
    futures = [shared.submit(wait_for_event, name) for name in ("a", "b")]
    box = module_peer_factory.mailbox("runs")
    assert {box.get(LONG), box.get(LONG)} == {"a", "b"}
    shared.call(set_event, "b")
    assert futures[1].result(LONG) == "b"
    shared.call(set_event, "a")
    assert futures[0].result(LONG) == "a"


def test_task_lives_on_after_the_call_that_made_it(shared: Peer) -> None:
    async def start() -> None:
        async def work() -> None:
            here.origin.send("task", await here_get())

        async def here_get() -> Any:
            return await asyncio.to_thread(here.mailbox("for the task").get, LONG)

        asyncio.get_running_loop().kept = asyncio.create_task(work())  # type: ignore[attr-defined]

    async def kept() -> None:
        await asyncio.get_running_loop().kept  # type: ignore[attr-defined]

    shared.call(start)
    shared.send("for the task", 1)
    assert shared.call(kept) is None


def test_cancelled_coroutine_is_a_cancelled_error(shared: Peer) -> None:
    async def cancelled() -> None:
        task = asyncio.current_task()
        assert task is not None
        task.cancel()
        await asyncio.sleep(LONG)

    with pytest.raises(asyncio.CancelledError):
        shared.call(cancelled)
    assert shared.call(twice, 1) == 2
