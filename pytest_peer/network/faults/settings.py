"""Checks of what a link can be set to."""

from __future__ import annotations

import math
import re
from typing import Any

_PROBABILITIES = ("loss", "duplicate", "corrupt", "reorder")
_UNITS = {"": 1, "bit": 1, "kbit": 1e3, "mbit": 1e6, "gbit": 1e9}
_RATE = re.compile(r"([0-9]+(?:\.[0-9]+)?)\s*([a-z]*)")


def checked(**values: Any) -> dict[str, float]:
    """Return the values that are given, as numbers; a TypeError or ValueError names the setting."""
    found: dict[str, float] = {}
    for name, value in values.items():
        if value is None:
            continue
        found[name] = _rate(value) if name == "rate" else _number(name, value)
        if name in _PROBABILITIES and found[name] > 1:
            raise ValueError(f"{name}: expected a probability from 0 to 1, got {value!r}")
    return found


def _number(name: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if not 0 <= value < math.inf:
        raise ValueError(f"{name}: expected a number from 0 on, got {value!r}")
    return float(value)


def _rate(value: object) -> float:
    if not isinstance(value, str):
        return _number("rate", value)
    match = _RATE.fullmatch(value.strip().lower())
    if match is None or match[2] not in _UNITS:
        raise ValueError(f"rate: expected bits a second such as '64kbit', '1mbit', got {value!r}")
    return float(match[1]) * _UNITS[match[2]]
