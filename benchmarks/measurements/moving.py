"""Payloads, small calls beside them, and output."""

from __future__ import annotations

from collections.abc import Callable

from counts import Counts
from measurements.calling import on_line, percentiles
from rounds import Figure, Measurement
from systems.system import Line

MEGABYTE = 1_000_000


def measurements(counts: Counts) -> list[Measurement]:
    largest = counts.megabytes[-1]
    return [
        *(_payload(size) for size in counts.megabytes),
        _during("argument", largest, lambda line: line.seconds_to_push(largest * MEGABYTE)),
        _during("result", largest, lambda line: line.seconds_to_pull(largest * MEGABYTE)),
        Measurement(
            "print",
            "print",
            [
                Figure(
                    "rate",
                    f"{counts.lines:,} printed lines of 20 characters, all received",
                    "lines/s",
                )
            ],
            on_line(lambda line: {"rate": line.lines_per_second(counts.lines)}),
            share=4,
        ),
    ]


def _payload(megabytes: int) -> Measurement:
    size = megabytes * MEGABYTE
    return Measurement(
        f"payload-{megabytes}",
        "payload",
        [
            Figure("argument", f"argument of {megabytes} MB", "MB/s", "a copy"),
            Figure("result", f"result of {megabytes} MB", "MB/s", "a copy"),
        ],
        on_line(
            lambda line: {
                "argument": size / line.seconds_to_push(size),
                "result": size / line.seconds_to_pull(size),
            }
        ),
        share=2 if megabytes < 100 else 4,
    )


def _during(what: str, megabytes: int, transfer: Callable[[Line], object]) -> Measurement:
    return Measurement(
        f"during-{what}",
        "during",
        [
            Figure("p50", f"a call each 10 ms while {what} of {megabytes} MB moves: p50", "ms"),
            Figure("p99", "  p99", "ms"),
        ],
        on_line(lambda line: percentiles(line.trips_during(lambda: transfer(line)))),
        share=4,
    )
