"""Check time limits."""

from __future__ import annotations

import math
import threading


def seconds(option: str, value: object) -> float | None:
    """Return a time limit: seconds, or ``None`` for no limit.

    :param option: its name, for the error.
    :raises TypeError: the value is not a number.
    :raises ValueError: it is negative or NaN.
    """
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{option}: expected seconds or None, got {value!r}")
    if math.isnan(value) or value < 0:
        raise ValueError(f"{option}: seconds must not be negative or NaN, got {value!r}")
    # The interpreter cannot wait longer than this, which is three hundred years.
    return None if value > threading.TIMEOUT_MAX else float(value)
