"""`aeventually` is `eventually` for coroutines."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import pytest
from timeouts import AGES, LONG

from pytest_peer import aeventually


def after(count: int, then: Any) -> Callable[[], Awaitable[Any]]:
    """A coroutine function that returns false `count` times, and `then` after these."""
    calls = itertools.count(1)

    async def attempt() -> Any:
        await asyncio.sleep(0)
        return next(calls) > count and then

    return attempt


def test_what_a_coroutine_function_returns_is_awaited() -> None:
    assert asyncio.run(aeventually(after(3, "leader"), LONG)) == "leader"


def test_any_other_function_will_do() -> None:
    values = iter([0, 0, 7])
    assert asyncio.run(aeventually(lambda: next(values), LONG)) == 7


def test_other_tasks_run_meanwhile() -> None:
    async def test() -> bool:
        done: list[int] = []
        asyncio.get_running_loop().call_later(0.01, done.append, 1)
        return await aeventually(lambda: bool(done), LONG)

    assert asyncio.run(test())


def test_last_false_value_is_shown() -> None:
    with pytest.raises(AssertionError, match=r"attempt.* still returned False after 0.02 s"):
        asyncio.run(aeventually(after(AGES, 1), 0.02))


def test_last_exception_is_raised_as_itself() -> None:
    async def fails() -> None:
        raise LookupError("no leader")

    with pytest.raises(LookupError) as caught:
        asyncio.run(aeventually(fails, 0.02))
    assert "after 0.02 s" in caught.value.__notes__[0]


def test_attempt_that_hangs_is_cancelled() -> None:
    async def hangs() -> None:
        try:
            await asyncio.sleep(AGES)
        finally:
            ended.append(True)

    ended: list[bool] = []
    with pytest.raises(TimeoutError):
        asyncio.run(aeventually(hangs, 0.02))
    assert ended


def test_it_can_be_cancelled() -> None:
    async def test() -> None:
        task = asyncio.create_task(aeventually(lambda: False, AGES))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(test())


def test_future_that_cannot_be_awaited_is_refused() -> None:
    with pytest.raises(TypeError, match="has no result yet"):
        asyncio.run(aeventually(Future, 0.1))
