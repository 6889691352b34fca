"""Wait until a condition becomes true."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from .clock import monotonic, seconds, sleep, standstill

__tracebackhide__ = True  # also where it runs in a peer

T = TypeVar("T")


def eventually(fn: Callable[[], T], timeout: float | None = 5.0) -> T:
    """Call `fn` until it neither raises an ``Exception`` nor returns a false value.

    ``None`` counts as success: it is the result of a function whose assertions have passed. The
    pauses between the attempts grow from 1 ms to 0.1 s.

    :param fn: has no parameters.
    :param timeout: seconds, ``None`` for no limit; default 5. `fn` is called at least once, and
        once more after this time.
    :returns: the value of the successful call.
    :raises TypeError: `fn` returned an awaitable or a future, which is true before it has a result.
    :raises AssertionError: the last attempt returned a false value.
    :raises Exception: the last attempt raised it. It has a note with time and attempts.
    """
    limit = seconds("timeout", timeout)
    started, prompts = monotonic(), standstill.count
    pause = 0.001
    attempts = 0
    while True:
        if standstill or prompts != standstill.count:  # a debugger: the limit begins anew
            started, prompts = monotonic(), standstill.count
        last = limit is not None and monotonic() - started >= limit
        attempts += 1
        spent = f"after {limit:g} s and {attempts} attempts" if last else ""
        try:
            value = fn()
        except Exception as exc:
            if last:
                # Not by `add_note`: an old peer has none, but the origin shows the note.
                exc.__notes__ = [*getattr(exc, "__notes__", ()), f"still so {spent}"]
                raise
        else:
            # A group's `submit` returns a list.
            for each in cast("list[Any]", value if type(value) is list else [value]):
                if hasattr(type(each), "__await__") or hasattr(type(each), "add_done_callback"):
                    if hasattr(each, "close"):
                        each.close()  # Python would warn that a coroutine was never awaited
                    text = f"{fn!r} returned {value!r}, which has no result yet: return the result"
                    raise TypeError(text)
            if value or value is None:
                return value
            if last:
                raise AssertionError(f"{fn!r} still returned {value!r} {spent}")
        left = pause if limit is None else min(pause, max(0.0, limit - (monotonic() - started)))
        sleep(left)  # any process may make it true, so there is nothing to wait on
        pause = min(pause * 1.5, 0.1)
