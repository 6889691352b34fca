"""Waits in a task of asyncio or trio, for what another thread brings about."""

from __future__ import annotations

from functools import partial
from typing import Any, Callable, Iterator

from ...core.clock import monotonic
from ...core.waiting import trio_of_task
from .unpatched import _thread

#: Has what it is given called, soon or later, when it is worth to look again; returns what undoes it.
Register = Callable[[Callable[[], object]], Callable[[], object]]
#: Where the periods end.
_OVER = -1.0


async def reached(
    condition: Callable[[], bool], register: Register, periods: Iterator[float | None]
) -> bool:
    """Wait until `condition` is true, or the `periods` are over; return whether it is.

    A cancellation leaves nothing behind: only the task looks at `condition`, and returns then.
    """
    waiting = _waiting()
    limit = next(periods, _OVER)
    while limit != _OVER:
        deadline = None if limit is None else monotonic() + limit
        in_time = True
        while in_time:
            undo = register(waiting.new_event())
            try:
                if condition():
                    return True
                left = None if deadline is None else max(0.0, deadline - monotonic())
                in_time = left != 0 and await waiting.wait(left)
            finally:
                undo()
        # The next period may begin with a question to the peer, which takes a moment.
        limit = await on_thread(partial(next, periods, _OVER))
    return condition()


class Arrival:
    """What a thread of ours brings to a task, once."""

    def __init__(self) -> None:
        self._brought: list[Any] = []
        self._wakers: list[Callable[[], object]] = []
        self._keep: Callable[[Any], object] | None = None

    def keep(self, keep: Callable[[Any], object]) -> None:
        """Give it to `keep`, now or when it comes: the task has been cancelled."""
        self._keep = keep
        while self._brought:
            keep(self._brought.pop())

    def bring(self, what: Any) -> None:
        """Bring it, on any thread."""
        self._brought.append(what)
        for wake in self._wakers[:]:
            wake()
        if self._keep is not None:
            self.keep(self._keep)

    @property
    def value(self) -> Any:
        """Return it when it has come."""
        return self._brought[0]

    async def wait(self, periods: Iterator[float | None]) -> bool:
        """Wait for it; return whether it has come before the periods are over."""
        return await reached(partial(bool, self._brought), self._register, periods)

    def _register(self, wake: Callable[[], object]) -> Callable[[], object]:
        self._wakers.append(wake)
        return partial(self._wakers.remove, wake)


def _waiting() -> Any:
    trio = trio_of_task()
    return _TrioWait(trio) if trio else _AsyncioWait()


async def on_thread(step: Callable[[], Any]) -> Any:
    """Return or raise what `step` does on a thread that ends with it: pools keep theirs."""
    outcome: list[Any] = []
    waiting = _waiting()
    ended = waiting.new_event()

    def run() -> None:
        try:
            outcome.extend((step(), None))
        except BaseException as exc:
            outcome.extend((None, exc))
        ended()

    _thread.start_new_thread(run, ())
    await waiting.wait(None)
    value, error = outcome
    if error is not None:
        raise error
    return value


class _AsyncioWait:
    def __init__(self) -> None:
        import asyncio  # not at the top: its import takes long

        self._asyncio = asyncio
        self._loop = asyncio.get_running_loop()
        self._event: Any = None

    def new_event(self) -> Callable[[], object]:
        self._event = self._asyncio.Event()
        return partial(self._soon, self._event.set)

    def _soon(self, step: Callable[[], object]) -> None:
        try:
            self._loop.call_soon_threadsafe(step)
        except RuntimeError:
            pass  # the loop is closed

    async def wait(self, limit: float | None) -> bool:
        try:
            await self._asyncio.wait_for(self._event.wait(), limit)
        except self._asyncio.TimeoutError:
            return False
        return True


class _TrioWait:
    def __init__(self, trio: Any) -> None:
        self._trio = trio
        self._token = trio.lowlevel.current_trio_token()
        self._event: Any = None

    def new_event(self) -> Callable[[], object]:
        self._event = self._trio.Event()
        return partial(self._soon, self._event.set)

    def _soon(self, step: Callable[[], object]) -> None:
        try:
            self._token.run_sync_soon(step)
        except RuntimeError:
            pass  # trio has ended

    async def wait(self, limit: float | None) -> bool:
        if limit is None:
            await self._event.wait()
            return True
        # Not by trio's clock, which jumps in tests while all of its tasks wait.
        late: list[bool] = []
        ended = _thread.allocate_lock()
        ended.acquire()
        wake = partial(self._soon, self._event.set)

        def watch() -> None:
            if not ended.acquire(True, limit):
                late.append(True)
                wake()

        _thread.start_new_thread(watch, ())
        try:
            await self._event.wait()
        finally:
            ended.release()
        return not late
