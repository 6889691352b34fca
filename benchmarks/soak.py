"""End thousands of peers in random ways at random moments: ``python benchmarks/soak.py``. Linux.

Every outcome has to be a documented one. Descriptors, threads, processes, files and memory of this
process must not grow. Otherwise it prints the seed and the case, which ``--seed SEED --case CASE``
runs again, and exits with status 1. The machine decides how threads and processes interleave, so it
may take several runs to see a failure again.
"""

from __future__ import annotations

import argparse
import os
import random
import sys
import tempfile
import threading
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import machine
import pytest_peer
from soak_cases import Case
from soak_figures import Figures

#: Cases before the figures are taken that those of the end are compared with.
WARM_UP = 100
#: Cases at the same time.
THREADS = 4
#: MiB that the allocator may keep.
MEGABYTES = 10.0


def main() -> int:
    arguments = _parser().parse_args()
    seed = random.randrange(10**9) if arguments.seed is None else arguments.seed
    print(f"{machine.described()}\nseed {seed}", flush=True)
    warnings.simplefilter("ignore", pytest_peer.PeerDownWarning)
    with tempfile.TemporaryDirectory(prefix="soak-") as directory:
        os.environ["TMPDIR"] = tempfile.tempdir = directory
        if arguments.case is not None:
            return _run(seed, [arguments.case], Path(directory), Counter())
        return _soak(seed, arguments.count, arguments.minutes * 60, Path(directory))


def _soak(seed: int, count: int, seconds: float, directory: Path) -> int:
    began = time.monotonic()
    deadline = began + seconds
    outcomes: Counter[str] = Counter()

    def until(numbers: range) -> Iterator[int]:
        for number in numbers:
            if time.monotonic() > deadline:
                print(f"case {number}: the time is over")
                return
            yield number

    if _run(seed, range(WARM_UP), directory, outcomes):
        return 1
    before = Figures.now(directory)
    if _run(seed, until(range(WARM_UP, WARM_UP + count)), directory, outcomes):
        return 1
    after = before.settled(directory)
    took = time.monotonic() - began
    print(f"{outcomes.total()} peers in {took:.0f} s\n")
    for outcome, number in outcomes.most_common():
        print(f"{number:6} {outcome}")
    print(f"\n{'':20}{'warm':>10}{'end':>10}")
    for name, values in before.beside(after).items():
        print(f"{name:20}{values[0]:>10}{values[1]:>10}")
    if grown := before.grown(after, MEGABYTES):
        print(f"\ngrown: {', '.join(grown)}; seed {seed}")
        return 1
    return 0


def _run(
    seed: int, numbers: Iterator[int] | range | list[int], directory: Path, outcomes: Counter[str]
) -> int:
    """Run cases, a few at a time, until one fails; return the exit status."""
    remaining = iter(numbers)
    lock = threading.Lock()  # a generator does not go on twice at the same time
    failed: list[int] = []

    def work() -> None:
        while not failed:
            with lock:
                number = next(remaining, None)
            if number is None:
                return
            case = Case(seed, number)
            try:
                outcomes[case.run(directory)] += 1
            except BaseException:
                failed.append(number)
                print(f"\nfailed: --seed {seed} --case {number}: {case}")
                traceback.print_exc(file=sys.stdout)
                raise

    with ThreadPoolExecutor(THREADS) as pool:
        jobs = [pool.submit(work) for _ in range(THREADS)]
    return int(any(job.exception() for job in jobs))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="soak.py",
        description="End peers in random ways at random moments; look for what grows.",
    )
    parser.add_argument("--count", type=int, default=2000, metavar="N", help="peers; default 2000")
    parser.add_argument("--seed", type=int, metavar="N", help="default: a random one")
    parser.add_argument("--case", type=int, metavar="N", help="only this one")
    parser.add_argument(
        "--minutes", type=float, default=20.0, metavar="N", help="at most; default 20"
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())
