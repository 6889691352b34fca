"""Wait until a condition becomes true, or see that it stays true."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, TypeVar, cast, overload

from .clock import monotonic, seconds, sleep, standstill
from .explained import described, explaining, is_own
from .services import everywhere
from .waiting import trio_of_task

__tracebackhide__ = True  # also where it runs in a peer

T = TypeVar("T")

#: Between the attempts: the first pause, the factor of each next one, and the longest.
_FIRST, _FACTOR, _LONGEST = 0.001, 1.5, 0.1
#: Seconds for an attempt of `aeventually` that begins when the time is over.
_LAST_SECONDS = 1.0


def eventually(fn: Callable[[], T], timeout: float | None = 5.0) -> T:
    """Call `fn` until it neither raises an ``Exception`` nor returns a false value.

    ``None`` counts as success: it is the result of a function whose assertions have passed. The
    pauses between the attempts grow from 1 ms to 0.1 s.

    :param fn: has no parameters. Of a lambda, the failure shows the source, and the values in it.
    :param timeout: seconds, ``None`` for no limit; default 5. `fn` is called at least once, and
        once more after this time.
    :returns: the value of the successful call.
    :raises TypeError: `fn` returned an awaitable or a future, which is true before it has a result.
    :raises AssertionError: the last attempt returned a false value.
    :raises ServiceEnded: a function that `Peer.running` runs has returned. What such a function has
        raised is raised here.
    :raises Exception: the last attempt raised it. It has a note with time and attempts.
    """
    attempts = _Attempts(fn, "still", seconds("timeout", timeout))
    while True:
        attempts.make()
        if attempts.succeeded():
            return cast("T", attempts.value)
        attempts.fail(attempts.last)
        sleep(attempts.pause())  # any process may make it true, so there is nothing to wait on


@overload
async def aeventually(fn: Callable[[], Awaitable[T]], timeout: float | None = 5.0) -> T: ...
@overload
async def aeventually(fn: Callable[[], T], timeout: float | None = 5.0) -> T: ...
async def aeventually(fn: Callable[[], Any], timeout: float | None = 5.0) -> Any:
    """Do as `eventually` in a coroutine of asyncio or trio, and await what `fn` returns.

    Under asyncio an attempt that takes longer than the whole time is cancelled.

    :param fn: a coroutine function, or any other that `eventually` takes.
    :param timeout: seconds, ``None`` for no limit; default 5.
    :returns: the value of the successful attempt.
    :raises TypeError: `fn` returned a future that cannot be awaited.
    :raises AssertionError: the last attempt returned a false value.
    :raises TimeoutError: the last attempt did not end.
    """
    attempts = _Attempts(fn, "still", seconds("timeout", timeout), awaits=True)
    while True:
        attempts.make()
        await attempts.await_value()
        if attempts.succeeded():
            return attempts.value
        attempts.fail(attempts.last)
        pause = attempts.pause()
        if trio := trio_of_task():  # by no clock of its own: that jumps in tests
            await trio.to_thread.run_sync(sleep, pause)
        else:  # nor by asyncio's, which a test may have frozen
            await _asyncio().get_running_loop().run_in_executor(None, sleep, pause)


def still(fn: Callable[[], T], for_: float = 0.2) -> T:
    """See that `fn` neither raises nor returns a false value, all the while.

    ``None`` counts as true, as for `eventually`. `fn` is called at the beginning, at the end, and
    again and again in between.

    :param fn: has no parameters. Of a lambda, the failure shows the source, and the values in it.
    :param for_: seconds; default 0.2.
    :returns: the last value.
    :raises TypeError: `fn` returned an awaitable or a future.
    :raises AssertionError: `fn` returned a false value.
    :raises ServiceEnded: as for `eventually`.
    :raises Exception: `fn` raised it. It has a note with time and attempts.
    """
    limit = seconds("for_", for_)
    if limit is None:
        raise ValueError(f"for_: expected seconds, got {for_!r}")
    attempts = _Attempts(fn, "", limit, explains=True)
    while True:
        attempts.make()
        if not attempts.succeeded() or everywhere.failure() is not None:
            attempts.fail(over=True)
        if attempts.last:
            return cast("T", attempts.value)
        sleep(attempts.pause())


class _Attempts:
    """Attempts to see that `fn` is true, for so many seconds.

    :param word: what is said of a failure: ``"still"``, or nothing.
    :param explains: whether a lambda explains each value, and not only the last.
    :param awaits: whether `await_value` follows each.
    """

    def __init__(
        self,
        fn: Callable[[], Any],
        word: str,
        limit: float | None,
        *,
        explains: bool = False,
        awaits: bool = False,
    ) -> None:
        self._fn = fn
        self._word = word
        self._limit = limit
        self._awaits = awaits
        self._explaining = explaining(fn) if explains else None  # which takes a moment
        self._begun = self._started = monotonic()
        self._prompts = standstill.count
        self._count = 0
        self._pause = _FIRST
        #: What the last one has returned, or raised.
        self.value: Any = None
        self._exc: Exception | None = None
        #: Whether the time is over, so that this is the last.
        self.last: bool = False

    def make(self) -> None:
        """Call it once."""
        if standstill or self._prompts != standstill.count:  # a debugger: the limit begins anew
            self._started, self._prompts = monotonic(), standstill.count
        self.last = self._limit is not None and monotonic() - self._started >= self._limit
        self._count += 1
        self.value = self._exc = None
        if self.last and self._explaining is None:
            self._explaining = explaining(self._fn)
        try:
            self.value = (self._explaining or self._fn)()
        except Exception as exc:
            self._exc = exc
            return
        if not (self._awaits and hasattr(type(self.value), "__await__")):
            self._refuse_awaitables()

    def _refuse_awaitables(self) -> None:
        value = self.value
        # A group's `submit` returns a list.
        for each in value if type(value) is list else [value]:
            if hasattr(type(each), "__await__") or hasattr(type(each), "add_done_callback"):
                is_coroutine = hasattr(each, "close")
                if is_coroutine:
                    each.close()  # Python would warn that a coroutine was never awaited
                # `still` has no other form that would await it.
                awaitable = is_coroutine and self._word
                what = described(self._fn)
                how = "await it by `aeventually`" if awaitable else "return the result"
                raise TypeError(f"{what} returned {value!r}, which has no result yet: {how}")

    async def await_value(self) -> None:
        """Replace the value by what it becomes, if it is awaitable."""
        if self._exc is not None or not hasattr(type(self.value), "__await__"):
            return
        left = None
        if self._limit is not None:
            left = max(_LAST_SECONDS, self._limit - (monotonic() - self._started))
        try:
            if trio_of_task():
                self.value = await self.value
            else:
                self.value = await _asyncio().wait_for(self.value, left)
        except Exception as exc:
            self._exc = exc

    def succeeded(self) -> bool:
        """Return whether it has neither raised nor returned a false value."""
        if self._exc is None and self.value is not None:
            try:
                return bool(self.value)
            except Exception as exc:  # an array has no truth value
                self._exc = exc
        return self._exc is None

    def fail(self, over: bool) -> None:
        """Raise the failure of a service, or that of the last attempt if it is all over."""
        exc, self._exc = self._exc, None
        try:
            failure = everywhere.failure()
            if failure is not None:
                raise failure
            if not over:
                return
            spent = self._limit if self.last else round(monotonic() - self._begun, 3)
            when = f"after {spent:g} s and {self._count} attempts"
            what, word = described(self._fn), f"{self._word} ".lstrip()
            if exc is None:
                raise AssertionError(f"{what} {word}returned {self.value!r} {when}")
            if isinstance(exc, AssertionError) and is_own(exc, self._explaining):
                raise AssertionError(f"{what} is {word}false {when}\n{exc}") from None
            # Not by `add_note`: an old peer has none, but the origin shows the note.
            exc.__notes__ = [*getattr(exc, "__notes__", ()), f"{self._word or 'not'} so {when}"]
            raise exc
        finally:
            del exc  # a cycle through this frame would keep the test's local variables alive

    def pause(self) -> float:
        """Return the seconds to sleep before the next attempt."""
        pause, self._pause = self._pause, min(self._pause * _FACTOR, _LONGEST)
        if self._limit is None:
            return pause
        return min(pause, max(0.0, self._limit - (monotonic() - self._started)))


def _asyncio() -> Any:
    import asyncio  # not at the top: its import takes long

    return asyncio
