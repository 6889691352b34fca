"""Measure what log records of a peer cost: ``python benchmarks/logs.py``.

The kinds take turns in every round. A figure is the median of the rounds, in microseconds.
"""

from __future__ import annotations

import argparse
import logging
import statistics
import sys
import time

import pytest_peer

_log = logging.getLogger("benchmark")
#: So few that the peer waits for nobody.
RECORDS = 200
CALLS = 100


class Taken(logging.Handler):
    """Takes records as a handler that costs nothing."""

    def handle(self, record: logging.LogRecord) -> bool:  # noqa: ARG002 - as in its class
        return True


def log(count: int, level: int) -> float:
    """Return the time of each."""
    begin = time.perf_counter()
    for number in range(count):
        _log.log(level, "request %d of %s", number, "somebody")
    return (time.perf_counter() - begin) / count


def calls(peer: pytest_peer.Peer, records: int) -> float:
    """Return the time of a call with so many records."""
    begin = time.perf_counter()
    for _ in range(CALLS):
        peer.call(log, records, logging.WARNING) if records else peer.call(abs, 1)
    return (time.perf_counter() - begin) / CALLS


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0])
    parser.add_argument("--rounds", type=int, default=20)
    rounds = parser.parse_args().rounds
    logging.root.addHandler(Taken())
    with pytest_peer.start(wait_boot=60) as peer:
        kinds = {
            "a record, in a peer": lambda: peer.call(log, RECORDS, logging.WARNING),
            "a record, in one process": lambda: log(RECORDS, logging.WARNING),
            "a record that nobody wants, in a peer": lambda: peer.call(log, RECORDS, logging.DEBUG),
            "a record that nobody wants, in one process": lambda: log(RECORDS, logging.DEBUG),
            "a call without a record": lambda: calls(peer, 0),
            "a call with a record": lambda: calls(peer, 1),
        }
        figures: dict[str, list[float]] = {kind: [] for kind in kinds}
        for number in range(rounds + 1):
            for kind, measure in kinds.items():
                figures[kind].append(measure())
                if not number:  # it warms up
                    figures[kind].clear()
    for kind, found in figures.items():
        print(f"{1e6 * statistics.median(found):8.2f} us  {kind}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
