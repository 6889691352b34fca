"""Calls: one after the other, on several threads, and sent without waiting for replies."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

import processor
from counts import Counts
from rounds import Figure, Measurement, Taker
from systems.system import Line, System, seconds

FLOOR = "a byte, by pipes"


def percentiles(times: list[float]) -> dict[str, float]:
    """Return the 50th and the 99th percentile; the latter of few values is the maximum."""
    ordered = sorted(times)
    return {
        "p50": statistics.median(ordered),
        "p99": ordered[min(len(ordered) * 99 // 100, len(ordered) - 1)],
    }


def measurements(counts: Counts) -> list[Measurement]:
    def trips(name: str, where: str, **more: Callable[..., object]) -> Measurement:
        return Measurement(
            name,
            "trips",
            [
                Figure("p50", f"round trip of add(1, 2), {where}: p50", "µs", FLOOR),
                Figure("p99", "  p99", "µs"),
            ],
            on_line(lambda line: percentiles(line.trips(counts.trips))),
            **more,
        )

    many = counts.callers * counts.calls
    return [
        trips("trips-pinned", "one processor", around=processor.pinned),
        trips("trips", "all processors"),
        Measurement(
            "siblings",
            "siblings",
            [
                Figure("p50", "round trip of add(1, 2), from peer to peer: p50", "µs"),
                Figure("ratio", "  of one from the test", "x"),
            ],
            on_line(lambda line: _siblings(line, counts.trips)),
        ),
        Measurement(
            "callers",
            "together",
            [Figure("rate", f"{counts.callers} callers at the same time", "calls/s")],
            on_line(lambda line: {"rate": many / line.together(counts.callers, counts.calls)}),
        ),
        Measurement(
            "pipelined",
            "pipelined",
            [
                Figure(
                    "rate",
                    f"{counts.trips:,} calls, all sent before any answer is read",
                    "calls/s",
                ),
                Figure("loop", "  the same calls in a loop", "calls/s"),
            ],
            on_line(lambda line: _pipelined(line, counts.trips)),
        ),
    ]


def _siblings(line: Line, count: int) -> dict[str, float]:
    p50 = statistics.median(line.siblings(count))
    return {"p50": p50, "ratio": p50 / statistics.median(line.trips(count))}


def _pipelined(line: Line, count: int) -> dict[str, float]:
    sent = seconds(lambda: line.pipelined(count))
    return {"rate": count / sent, "loop": count / sum(line.trips(count))}


def on_line(
    figures: Callable[[Line], dict[str, float]],
) -> Callable[[System], AbstractContextManager[Taker]]:
    """Take figures on one line, which exists for all rounds."""

    @contextmanager
    def take(system: System) -> Iterator[Taker]:
        with system.line() as line:
            for pid in line.pids:
                processor.pin(pid)
            yield lambda: figures(line)

    return take
