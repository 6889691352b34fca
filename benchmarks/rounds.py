"""Take figures in rounds.

All systems take turns in each round, so that a busy moment of the machine affects all of them.
"""

from __future__ import annotations

import signal
import statistics
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from systems.system import System

#: The figures of one system in one round.
SECONDS_TO_TAKE = 300.0

#: Takes the figures of one system in one round.
Taker = Callable[[], dict[str, float]]


class Missing(Exception):
    """A system does not have a figure; the text says why."""


@dataclass(frozen=True)
class Figure:
    """A row of the table."""

    key: str
    label: str
    unit: str
    floor: str = ""  # what the machine itself needs for it

    #: Measured values are in SI base units.
    FACTORS: ClassVar = {
        "s": 1,
        "ms": 1e3,
        "µs": 1e6,
        "MB": 1e-6,
        "MB/s": 1e-6,
        "calls/s": 1,
        "lines/s": 1,
        "x": 1,
    }

    def shown(self, value: float) -> float:
        return value * self.FACTORS[self.unit]


@dataclass(frozen=True)
class Measurement:
    """Figures that are taken together."""

    name: str
    needs: str  # of the words in `System.offers`
    figures: list[Figure]
    #: Opens a system for all rounds. May raise `Missing`.
    take: Callable[[System], AbstractContextManager[Taker]]
    share: int = 1  # one of so many rounds: it takes long
    warm: bool = True  # the first time is not like the others, and not counted
    around: Callable[[], AbstractContextManager[object]] = ExitStack


@dataclass
class Row:
    """One figure of all systems, with a value for each round."""

    measurement: str
    figure: Figure
    values: dict[str, list[float]] = field(default_factory=dict)
    missing: dict[str, str] = field(default_factory=dict)

    def median(self, system: str) -> float | None:
        return statistics.median(self.values[system]) if self.values.get(system) else None

    def ratio(self, system: str, reference: str) -> float | None:
        """Return the median of the ratios within the rounds."""
        return self._within(system, reference, lambda a, b: a / b)

    def difference(self, system: str, reference: str) -> float | None:
        """Return the median of the differences within the rounds."""
        return self._within(system, reference, lambda a, b: a - b)

    def _within(
        self, system: str, reference: str, compare: Callable[[float, float], float]
    ) -> float | None:
        pairs = list(zip(self.values.get(system, ()), self.values.get(reference, ()), strict=False))
        return statistics.median(compare(a, b) for a, b in pairs) if pairs else None


def measure(measurement: Measurement, systems: list[System], rounds: int) -> list[Row]:
    """Take the figures of all systems that have them.

    A row has the reason for a figure that is missing because it failed.
    """
    rows = [Row(measurement.name, figure) for figure in measurement.figures]
    takers: dict[str, Taker] = {}

    def lost(system: str, why: str) -> None:
        takers.pop(system, None)
        for row in rows:
            row.values.pop(system, None)  # half of its rounds are not comparable
            row.missing[system] = why

    def attempt(system: str, action: Callable[[], None]) -> None:
        try:
            with _deadline(SECONDS_TO_TAKE):
                action()
        except Missing as exc:
            lost(system, str(exc))
        except Exception as exc:
            traceback.print_exc(file=sys.stderr)
            lost(system, f"failed: {type(exc).__name__}")

    able = [system for system in systems if measurement.needs in system.offers]
    with ExitStack() as stack:

        def opened(system: System) -> None:
            takers[system.name] = stack.enter_context(measurement.take(system))

        def taken(system: str, counted: bool) -> None:
            values = takers[system]()
            for row in rows if counted else ():
                if row.figure.key in values:
                    row.values.setdefault(system, []).append(values[row.figure.key])

        try:
            stack.enter_context(measurement.around())
        except Missing as exc:
            for system in able:
                lost(system.name, str(exc))
            return rows
        for system in able:
            attempt(system.name, partial(opened, system))
        for number in range(0 if measurement.warm else 1, max(1, rounds // measurement.share) + 1):
            names = list(takers)
            start = number % max(
                1, len(names)
            )  # so that no system is always the first, or after the same one
            for name in names[start:] + names[:start]:
                attempt(name, partial(taken, name, number > 0))
    return rows


@contextmanager
def _deadline(seconds: float) -> Iterator[None]:
    def expired(*_: object) -> None:
        raise TimeoutError(f"not done after {seconds:g} s")

    before = signal.signal(signal.SIGALRM, expired)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
