"""Compare this tree with another one: ``python benchmarks/against.py /path/to/worktree``.

Each tree has a process of its own. They take turns in every round, and each round begins with the
other one. A ratio is the median of the ratios within the rounds. Nothing that is measured uses a
feature: it shows what a feature costs who does not use it.
"""

from __future__ import annotations

import argparse
import contextlib
import logging
import operator
import os
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

#: So few of each that what else the machine does meets both trees.
CALLS = 50
BOOTS = 4
LINES = 100_000
#: So few that the peer waits for nobody.
RECORDS = 200
#: For one figure in a round.
SECONDS = 120

_log = logging.getLogger("benchmark")


def log(level: int) -> float:
    """Return the time of a record; in a peer."""
    begin = time.perf_counter()
    for number in range(RECORDS):
        _log.log(level, "request %d of %s", number, "somebody")
    return (time.perf_counter() - begin) / RECORDS


def write_lines() -> None:
    for _ in range(LINES):
        print("x" * 19)


class Taken(logging.Handler):
    """Takes records as a handler that costs nothing."""

    def handle(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - as in its class
        return True


def serve() -> None:
    """Take the figures whose names come, until the end of stdin."""
    import memory
    import pytest_peer

    logging.root.addHandler(Taken())
    peer = pytest_peer.start(wait_boot=60)

    def call() -> float:
        begin = time.perf_counter()
        for _ in range(CALLS):
            peer.call(operator.add, 1, 2)
        return 1e6 * (time.perf_counter() - begin) / CALLS

    def boots(value: Callable[[pytest_peer.Peer, float], float]) -> float:
        found = []
        for _ in range(BOOTS):
            begin = time.perf_counter()
            with pytest_peer.start(wait_boot=60) as booted:
                booted.call(operator.add, 1, 2)
                found.append(value(booted, time.perf_counter() - begin))
        return statistics.median(found)

    def lines() -> float:
        with pytest_peer.start(wait_boot=60) as writer:
            begin = time.perf_counter()
            writer.call(write_lines)
            return LINES / (time.perf_counter() - begin)

    takers: dict[str, Callable[[], float]] = {
        "call": call,
        "boot": lambda: boots(lambda _, seconds: 1e3 * seconds),
        "memory": lambda: boots(lambda booted, _: 1e-6 * (memory.unique(booted.pid or 0) or 0)),
        "lines": lines,
        "record": lambda: 1e6 * peer.call(log, logging.WARNING),
        "unwanted": lambda: 1e6 * peer.call(log, logging.DEBUG),
    }
    with peer:
        for name in sys.stdin:
            signal.alarm(SECONDS)  # which ends this process
            print(takers[name.strip()](), flush=True)
            signal.alarm(0)


#: What is shown of each, and in how many rounds it is taken.
FIGURES = {
    "call": ("a call that logs nothing, µs", 1000),
    "boot": ("a boot with a first call, ms", 60),
    "memory": ("memory of a peer after a call, MB", 10),
    "lines": (f"{LINES:,} printed lines, lines/s", 10),
    "record": ("a log record, at the peer, µs", 100),
    "unwanted": ("a log record that nobody wants, µs", 100),
}


class Tree:
    """A process that measures one tree."""

    def __init__(self, path: Path) -> None:
        environment = {**os.environ, "PYTHONPATH": str(path)}
        command = [sys.executable, __file__, "--serve", str(path)]
        pipe = subprocess.PIPE
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, text=True, env=environment
        )

    def take(self, figure: str) -> float:
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.write(f"{figure}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("tree", type=Path, help="the folder in which its pytest_peer is")
    parser.add_argument("--share", type=float, default=1.0, help="of the rounds; 1.0 by default")
    parser.add_argument("--only", nargs="+", default=list(FIGURES), choices=list(FIGURES))
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.serve:
        serve()
        return 0
    here, there = Path(__file__).parent.parent, arguments.tree.resolve()
    with contextlib.ExitStack() as open_trees:
        trees = [Tree(here), Tree(there)]
        for tree in trees:
            open_trees.callback(tree.close)
        for name in arguments.only:
            label, rounds = FIGURES[name]
            rows: list[tuple[float, float]] = []
            for number in range(
                max(1, round(rounds * arguments.share)) + 1
            ):  # the first one warms up
                values = {tree: tree.take(name) for tree in trees[:: 1 if number % 2 else -1]}
                rows.append((values[trees[0]], values[trees[1]]))
            ours, theirs = map(statistics.median, zip(*rows[1:], strict=True))
            ratio = statistics.median(a / b for a, b in rows[1:])
            print(f"{label:36} here {ours:10.4g}  there {theirs:10.4g}  ratio {ratio:.3f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
