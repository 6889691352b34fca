"""Measure how long peers outlive a killed pytest: ``python benchmarks/orphans.py``. Linux.

A pytest with busy peers, each with a child, gets SIGKILL. For comparison so does one with busy
gateways of execnet.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import select
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import machine

SUITE = Path(__file__).parent / "orphans_suite.py"
#: Columns, to a test of the suite and a start method.
SYSTEMS = {
    "peer forkserver": ("test_peers", "forkserver"),
    "peer spawn": ("test_peers", "spawn"),
    "execnet": ("test_execnet", ""),
}
#: Rows, to functions of the suite.
OCCUPATIONS = {
    "looping": "loop",
    "sleeping, SIGINT ignored": "ignore",
    "in C with the GIL": "hold",
}
SECONDS_TO_START = 120.0


def main(argv: Sequence[str] | None = None) -> int:
    arguments = _parser().parse_args(argv)
    count, limit = arguments.count, arguments.limit
    print(f"{machine.described()}, rounds: {arguments.rounds}\n")
    print(
        f"`kill -9` of a pytest with {count} busy peers, each with a child: "
        f"seconds until all {2 * count} are gone\n"
    )
    print(f"| | {' | '.join(SYSTEMS)} |\n|---|{'---|' * len(SYSTEMS)}")
    for title, occupation in OCCUPATIONS.items():
        cells = []
        for test, method in SYSTEMS.values():
            rounds = range(arguments.rounds)
            ends = [_killed(test, method, occupation, count, limit) for _ in rounds]
            cells.append(_cell(ends, count, limit))
        print(f"| {title} | {' | '.join(cells)} |", flush=True)
    return 0


def _cell(rounds: list[list[float]], count: int, limit: float) -> str:
    """Return the median of the rounds.

    :param rounds: the seconds of each process: of the peers, then of their children.
    """
    peers = statistics.median(max(ends[:count]) for ends in rounds)
    all_gone = statistics.median(max(ends) for ends in rounds)
    if all_gone < limit:
        return f"{all_gone:.3f}"
    left = max(sum(end >= limit for end in ends) for ends in rounds)
    peers_gone = f"; without children {peers:.2f}" if peers < limit else ""
    return f"> {limit:g}: {left} left{peers_gone}"


def _killed(test: str, method: str, occupation: str, count: int, limit: float) -> list[float]:
    """Return the seconds from the kill to the end of each process.

    Processes that live longer than `limit` are killed.
    """
    with tempfile.TemporaryDirectory(prefix="orphans-") as directory:
        pids, output = Path(directory, "pids"), Path(directory, "output")
        variables = {
            "ORPHANS_PIDS": str(pids),
            "ORPHANS_COUNT": str(count),
            "ORPHANS_OCCUPATION": occupation,
            "ORPHANS_SYSTEM": method,
            "PYTHONPATH": str(SUITE.parent),
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        }
        alone = ["-p", "peer", "-p", "no:cacheprovider", "-c", os.devnull]
        alone += ["--rootdir", directory, "--basetemp", f"{directory}/temp"]
        with output.open("wb") as file:
            process = subprocess.Popen(
                [sys.executable, "-m", "pytest", *alone, f"{SUITE}::{test}"],
                env={**os.environ, **variables},
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
            )
        try:
            deadline = time.monotonic() + SECONDS_TO_START
            while not pids.exists():
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(output.read_text())
                time.sleep(0.05)
            fds = [os.pidfd_open(int(pid)) for pid in pids.read_text().split()]
        finally:
            began = time.monotonic()
            process.kill()
            process.wait()
        return _ended(fds, began, limit)


def _ended(fds: list[int], began: float, limit: float) -> list[float]:
    poll = select.poll()
    for fd in fds:
        poll.register(fd, select.POLLIN)
    ends = dict.fromkeys(fds, limit)
    living = set(fds)
    while living and (left := began + limit - time.monotonic()) > 0:
        for fd, _ in poll.poll(left * 1000):
            poll.unregister(fd)
            living.discard(fd)
            ends[fd] = time.monotonic() - began
    for fd in fds:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        os.close(fd)
    return list(ends.values())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="orphans.py", description=(__doc__ or "").partition(":")[0]
    )
    parser.add_argument("--count", type=int, default=50, metavar="N", help="peers; default 50")
    parser.add_argument("--rounds", type=int, default=3, metavar="N", help="default 3")
    parser.add_argument(
        "--limit", type=float, default=20.0, metavar="SECONDS", help="to wait at most; default 20"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
