"""The answer of a call, for asyncio."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from concurrent.futures import Future
from typing import TYPE_CHECKING
from typing import Any

from ..core.errors import CallTimeout
from .futures import PeerFuture

if TYPE_CHECKING:
    import asyncio

__tracebackhide__ = True


async def awaited(
    future: PeerFuture, limit: float | None, timed_out: Callable[[float], CallTimeout]
) -> Any:
    """Await the answer and return the value or raise the exception.

    :param timed_out: makes the exception for the case that there is none within `limit` seconds; it may take its time.
    """
    import asyncio  # not at the top: who does not use it must not wait for it

    loop = asyncio.get_running_loop()
    arrived: asyncio.Future[None] = loop.create_future()

    def wake(_: object) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(_settle, arrived)

    Future.add_done_callback(future, wake)  # it waits for nothing, so it needs no other thread
    await asyncio.wait([arrived], timeout=limit)
    if limit is not None and not future.done():
        raise await asyncio.to_thread(timed_out, limit)
    return future.result(0)


def _settle(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
