"""Retry an assertion or a condition until it holds."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TypeVar

from .clock import monotonic
from .clock import sleep
from .timeouts import seconds

__tracebackhide__ = True

T = TypeVar("T")

_FIRST_PAUSE = 0.001
_LONGEST_PAUSE = 0.1


def eventually(fn: Callable[[], T], timeout: float | None = 5.0) -> T:
    """Call `fn` until it neither raises nor returns a falsy value, and return its value.

    ``None`` counts as success, as an assertion that passed. The pauses between attempts grow from
    1 ms to 0.1 s.

    :param timeout: seconds, ``None`` for no limit. `fn` is called at least once, and once more
        after this time.
    :raises AssertionError: the last value was falsy.
    :raises Exception: the exception of the last attempt, with a note.
    """
    limit = seconds("timeout", timeout)
    started = monotonic()
    pause = _FIRST_PAUSE
    attempts = 0
    while True:
        last = limit is not None and monotonic() - started >= limit
        attempts += 1
        try:
            value = fn()
        except Exception as exc:
            if last:
                _add_note(exc, f"still so after {limit:g} s and {attempts} attempts")
                raise
        else:
            if value or value is None:
                return value
            if last:
                raise AssertionError(
                    f"{fn!r} still returned {value!r} after {limit:g} s and {attempts} attempts"
                )
        left = pause if limit is None else min(pause, max(0.0, limit - (monotonic() - started)))
        sleep(left)  # no event tells when it becomes true
        pause = min(pause * 1.5, _LONGEST_PAUSE)


def _add_note(exc: Exception, note: str) -> None:
    if sys.version_info >= (3, 11):
        exc.add_note(note)
    else:  # an old Python does not show it, but the origin will
        exc.__notes__ = [*getattr(exc, "__notes__", ()), note]
