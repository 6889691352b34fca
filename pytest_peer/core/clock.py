"""The clock as it was when this module was imported, and the check of time limits.

A test may freeze or replace `time.monotonic` and `time.sleep` while peers live: freezegun,
`unittest.mock`. That is for the code under test; our time limits go on. These are partial objects,
because freezegun also replaces the functions wherever a module has them under a name of its own.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Final

#: Between two looks whether a debugger still holds a peer, for which a limit has passed.
_HELD_SECONDS = 0.5

#: As a limit it stands for the option of that name; a peer has more than one copy of this module.
CALL_TIMEOUT: Final = "call_timeout"

monotonic: partial[float] = partial(time.monotonic)
now: partial[float] = partial(time.time)
sleep: partial[None] = partial(time.sleep)


def seconds(option: str, value: object) -> float | None:
    """Return a time limit in seconds, ``None`` for none, or raise TypeError or ValueError."""
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{option}: expected seconds or None, got {value!r}")
    if math.isnan(value) or value < 0:
        raise ValueError(f"{option}: seconds must not be negative or NaN, got {value!r}")
    # The interpreter cannot wait longer: three hundred years are as good as no limit.
    return None if value > threading.TIMEOUT_MAX else float(value)


class Standstill:
    """Debuggers that have a prompt: meanwhile no limit passes, of whatever peer."""

    def __init__(self) -> None:
        self._prompts: set[object] = set()
        #: How many have begun so far.
        self.count: int = 0

    def begin(self, whose: object) -> None:
        """Let `whose` prompt hold all limits, until `end`."""
        self._prompts.add(whose)
        self.count += 1

    def end(self, whose: object) -> None:
        """Take a `begin` back; does nothing without one."""
        self._prompts.discard(whose)

    def __bool__(self) -> bool:
        return bool(self._prompts)


standstill: Standstill = Standstill()


class Periods:
    """How long to wait, and to wait on, until `limit` has passed.

    If it passes while a debugger holds the peer, it begins anew when that is over: nobody knows for
    how long the peer had been held before. So it does when there was a `standstill` meanwhile. No
    generator, as its end would swallow an interrupt.
    """

    def __init__(self, limit: float | None, held: Callable[[], bool]) -> None:
        self._limit = limit
        self._held = held
        self._begun = self._was_held = False
        self._prompts = standstill.count
        if standstill:
            self._prompts -= 1  # one that has begun before

    def __iter__(self) -> Iterator[float | None]:
        return self

    def __next__(self) -> float | None:
        if not self._begun:
            self._begun = True
            return self._limit
        if self._limit and (standstill or self._held()):
            self._was_held = True
            return _HELD_SECONDS
        if self._limit and (self._was_held or self._prompts != standstill.count):
            self._was_held = False
            self._prompts = standstill.count
            return self._limit
        raise StopIteration
