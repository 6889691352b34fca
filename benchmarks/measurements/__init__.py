"""The measurements, in the order of the table."""

from __future__ import annotations

from counts import Counts
from rounds import Measurement

from . import calling, moving, starting, suites


def all_of(counts: Counts) -> list[Measurement]:
    return [
        each
        for module in (starting, calling, moving, suites)
        for each in module.measurements(counts)
    ]
