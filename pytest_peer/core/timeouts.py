"""The check of time limits."""

from __future__ import annotations

import math
import threading


def seconds(option: str, value: object) -> float | None:
    """Check a time limit: seconds, or ``None`` for no limit.

    :raises TypeError: not a number.
    :raises ValueError: negative or NaN.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{option}: expected seconds or None, got {value!r}")
    if math.isnan(value) or value < 0:
        raise ValueError(f"{option}: seconds must not be negative or NaN, got {value!r}")
    # The interpreter cannot wait longer: three hundred years are as good as no limit.
    return None if value > threading.TIMEOUT_MAX else float(value)
