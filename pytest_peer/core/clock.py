"""The clock as it was when this module was imported, and the check of time limits.

A test may freeze or replace `time.monotonic` and `time.sleep` while peers live: freezegun,
`unittest.mock`. That is for the code under test; our time limits go on. These are partial objects,
because freezegun also replaces the functions wherever a module has them under a name of its own.
"""

from __future__ import annotations

import math
import threading
import time
from functools import partial

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
