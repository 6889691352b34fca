"""The size of each measurement."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Counts:
    trips: int = 1000  # in a round
    callers: int = 8
    calls: int = 250  # of each of them
    peers: tuple[int, ...] = (20, 100)  # at the same time
    idle: int = 0  # peers that only live; 0 leaves it out
    megabytes: tuple[int, ...] = (1, 10, 100)
    lines: int = 100_000
    tests: int = 100


QUICK = Counts(trips=20, callers=2, calls=5, peers=(2,), megabytes=(1,), lines=500, tests=2)
