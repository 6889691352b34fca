"""The targets, and whether the figures reach them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from rounds import Row
from table import number

#: Measurement and key of a figure, to its row.
Rows = Mapping[tuple[str, str], Row]


@dataclass(frozen=True)
class Target:
    """A limit for a figure, or for its ratio to or its difference from another system's."""

    what: str
    measurement: str
    figure: str
    limit: float
    unit: str = "x"
    at_least: bool = False
    #: The system to compare with.
    reference: str | None = None
    #: How to compare; the value itself without a reference.
    compare: Callable[[Row, str, str], float | None] = Row.ratio
    #: The system with our figure; by default the first of ours.
    ours: str | None = None

    def value(self, rows: Rows, ours: str) -> float | None:
        """Return the value; ``None`` if it was not measured."""
        row = rows[self.measurement, self.figure]
        if self.reference is not None:
            return self.compare(row, self.ours or ours, self.reference)
        median = row.median(self.ours or ours)
        return None if median is None else row.figure.shown(median)

    def reached(self, value: float) -> bool:
        return value >= self.limit if self.at_least else value <= self.limit


def _ratio(
    what: str,
    measurement: str,
    figure: str,
    limits: dict[str, float],
    *,
    at_least: bool = False,
    ours: str | None = None,
) -> list[Target]:
    return [
        Target(
            f"{what} / {reference}", measurement, figure, limit, "x", at_least, reference, ours=ours
        )
        for reference, limit in limits.items()
    ]


EXECNET, PIPE, ERLANG = "execnet", "multiprocessing forkserver", "Erlang standard_io"
FORKED = "peer forkserver"

TARGETS = [
    *_ratio(
        "boot of a forked peer",
        "boot",
        "boot",
        {"floor": 0.35, EXECNET: 0.1, ERLANG: 0.03, PIPE: 0.6},
        ours=FORKED,
    ),
    Target("100 peers started, called, stopped", "many-100", "wall", 1.5, "s", ours=FORKED),
    Target("memory of each of 100", "many-100", "memory", 3, "MB", ours=FORKED),
    Target("1,000 idle peers started", "idle-1000", "started", 8, "s", ours=FORKED),
    *_ratio("round trip, one processor", "trips-pinned", "p50", {EXECNET: 0.9, ERLANG: 1}),
    *_ratio("round trip, all processors", "trips", "p50", {EXECNET: 0.9, ERLANG: 1}),
    Target("call from peer to peer / call from the test", "siblings", "ratio", 2.5),
    *_ratio("calls of 8 callers", "callers", "rate", {EXECNET: 1, "rpyc": 1}, at_least=True),
    *_ratio("argument of 100 MB", "payload-100", "argument", {EXECNET: 2, PIPE: 1}, at_least=True),
    *_ratio("result of 100 MB", "payload-100", "result", {EXECNET: 2, PIPE: 1}, at_least=True),
    Target("p99 of a call while an argument of 100 MB moves", "during-argument", "p99", 5, "ms"),
    Target("p99 of a call while a result of 100 MB moves", "during-result", "p99", 5, "ms"),
    *_ratio("printed lines", "print", "rate", {PIPE: 0.7}, at_least=True),
    Target(
        "100 tests with a peer, less 100 empty tests",
        "suite",
        "wall",
        1.2,
        "s",
        reference="floor",
        compare=Row.difference,
    ),
    *_ratio(
        "suite of 100 tests with a peer", "suite", "wall", {"pytest-forked": 0.85}, ours=FORKED
    ),
    Target("cost of the plugin for 100 empty tests", "plugin", "wall", 5, "ms", ours="peer spawn"),
]


def markdown(rows: list[Row], ours: str) -> str:
    """Return a table in Markdown: target, figure and verdict of what was measured."""
    by_name = {(row.measurement, row.figure.key): row for row in rows}
    lines = ["| target | limit | measured | |\n|---|---|---|---|\n"]
    for target in TARGETS:
        if (target.measurement, target.figure) not in by_name:
            continue  # not asked for
        value = target.value(by_name, ours)
        limit = f"{'≥' if target.at_least else '≤'} {target.limit:g} {target.unit}"
        measured = "" if value is None else f"{number(value)} {target.unit}"
        if value is None:
            verdict = "not measured"
        else:
            verdict = "reached" if target.reached(value) else "**not reached**"
        lines.append(f"| {target.what} | {limit} | {measured} | {verdict} |\n")
    return "".join(lines)
