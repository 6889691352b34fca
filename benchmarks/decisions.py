"""Count wrong decisions of `wait_blocked` and too early ends of `settle`, on a machine that is busy.

    python benchmarks/decisions.py [--count 3000] [--rounds 1000] [--busy 4] [--at-once 1]

``--busy`` is the number of processes a core that only loop meanwhile. Without any, the calls that
wait are looked at before those that run; else in a random order. ``--at-once`` is the number of
peers that are asked at the same time.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import queue
import random
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import token_ring
from pytest_peer import NotBlocked, Peer, start

#: Seconds for a call that runs: it must not be found to wait within them.
_RUNS = 0.05
_WAITS = 60.0
#: After so many decisions a line tells how it goes.
_SAY_EVERY = 500


def import_this() -> None:
    """Be found by its name."""


def flock(path: str) -> None:
    with open(path, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def lockf(path: str) -> None:
    with open(path, "w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)


def receive(path: str) -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        sock.connect(path)
        sock.recv(1)


def lock(_: str) -> None:
    taken = threading.Lock()
    taken.acquire()
    taken.acquire(timeout=_WAITS)


def take(_: str) -> None:
    queue.SimpleQueue[None]().get()


def sqlite_busy(path: str) -> None:
    with sqlite3.connect(path, timeout=10 * _WAITS) as connection:
        connection.execute("begin immediate")


def sleep(_: str) -> None:
    time.sleep(_WAITS)


def loop(_: str) -> None:
    until = time.monotonic() + 10 * _RUNS
    while time.monotonic() < until:
        pass


def loop_with_others(path: str) -> None:
    """Two threads that want the GIL."""
    threading.Thread(target=loop, args=[path], daemon=True).start()
    loop(path)


def yield_always(_: str) -> None:
    until = time.monotonic() + 10 * _RUNS
    while time.monotonic() < until:
        time.sleep(0)


#: What each waits for; nothing if it runs.
CASES = {
    flock: "flock",
    lockf: "lockf",
    receive: "recv",
    lock: "lock",
    take: "lock",
    sqlite_busy: "polling",
    sleep: "sleep",
    loop: "",
    loop_with_others: "",
    yield_always: "",
}


class Holder:
    """Has what the calls wait for."""

    def __init__(self, directory: str) -> None:
        self.flocked = open(f"{directory}/flock", "w")  # noqa: SIM115 - held all the while
        fcntl.flock(self.flocked, fcntl.LOCK_EX)
        self.lockfed = open(f"{directory}/lockf", "w")  # noqa: SIM115
        fcntl.lockf(self.lockfed, fcntl.LOCK_EX)
        self.server = socket.socket(socket.AF_UNIX)
        self.server.bind(f"{directory}/receive")
        self.server.listen(100)
        self.accepted: deque[socket.socket] = deque(maxlen=1000)  # long after, their peers are gone
        threading.Thread(target=self._accept, daemon=True).start()
        self.database = sqlite3.connect(f"{directory}/sqlite_busy", isolation_level=None)
        self.database.execute("begin immediate")

    def _accept(self) -> None:
        while True:
            self.accepted.append(self.server.accept()[0])


def decide(peer: Peer, name: str, directory: str) -> tuple[str, float]:
    """Return what was decided, and the milliseconds that it took."""
    function = next(each for each in CASES if each.__name__ == name)
    future = peer.submit(function, f"{directory}/{name}")
    begun = time.perf_counter()
    try:
        found = future.wait_blocked(_WAITS if CASES[function] else _RUNS).on
    except NotBlocked:
        found = ""
    return found, (time.perf_counter() - begun) * 1e3


class Tally:
    """What was decided so far; threads share it."""

    def __init__(self, count: int) -> None:
        self._count = count
        self._lock = threading.Lock()
        self._begun = self._made = 0
        self._since = time.monotonic()
        self.wrong: Counter[str] = Counter()
        self.times: dict[str, list[float]] = {function.__name__: [] for function in CASES}

    def begin(self) -> bool:
        """Return whether one more is to be made."""
        with self._lock:
            self._begun += 1
            return self._begun <= self._count

    def add(self, function: Callable[[str], None], found: str, taken: float) -> None:
        """Take a decision, and the milliseconds that it took."""
        with self._lock:
            self._made += 1
            self.times[function.__name__].append(taken)
            if found.partition(" ")[0] != CASES[function]:
                self.wrong[f"{function.__name__}: {found or 'runs'}"] += 1
            if self._made % _SAY_EVERY == 0 and self._made < self._count:
                self._say()

    def _say(self) -> None:
        minutes = (time.monotonic() - self._since) / 60
        wrong = dict(self.wrong) or 0
        print(f"{self._made} in {minutes:.1f} minutes; wrong: {wrong}", flush=True)

    def report(self) -> None:
        """Print all there is."""
        for name, every in self.times.items():
            if every:
                median = statistics.median(every)
                print(f"{name:18} {len(every):6} decisions, median {median:7.1f} ms")
        waits = [
            t for f, e in CASES.items() if e not in ("", "polling") for t in self.times[f.__name__]
        ]
        print(f"waits: median {statistics.median(waits):.1f} ms" if waits else "no waits")
        self._say()


def decisions(count: int, directory: str, at_once: int, mixed: bool) -> int:
    """Make that many decisions, by so many peers at the same time; return how many were wrong.

    :param mixed: in a random order, so that what runs is beside what waits; else it comes last.
    """
    tally, holder = Tally(count), Holder(directory)
    seed = random.randrange(1 << 32)
    if mixed:
        print(f"the orders are those of the seed {seed}", flush=True)
    with ThreadPoolExecutor(at_once) as threads:
        made = [
            threads.submit(_decide_on, tally, directory, random.Random(seed + i) if mixed else None)
            for i in range(at_once)
        ]
        for each in made:
            each.result()
    del holder
    tally.report()
    return tally.wrong.total()


def _decide_on(tally: Tally, directory: str, order: random.Random | None) -> None:
    while True:
        with start(shutdown=("halt", 0), call_timeout=_WAITS) as peer:
            peer.call(import_this)
            cases = list(CASES)
            for function in order.choices(cases, k=3 * len(cases)) if order else cases:
                if not tally.begin():
                    return
                tally.add(function, *decide(peer, function.__name__, directory))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--count", type=int, default=3000)
    parser.add_argument("--rounds", type=int, default=1000)
    parser.add_argument("--busy", type=int, default=4)
    parser.add_argument("--at-once", type=int, default=1)
    options = parser.parse_args()
    loops = options.busy * (os.cpu_count() or 1)
    busy = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(loops)]
    try:
        with tempfile.TemporaryDirectory() as directory:
            sys.path.insert(0, str(Path(__file__).parent))
            import decisions as by_reference  # its functions go to the peers by their names

            wrong = 0
            if options.count:
                wrong = by_reference.decisions(
                    options.count, directory, options.at_once, bool(options.busy)
                )
            sys.exit(bool(wrong + (token_ring.rounds(options.rounds) if options.rounds else 0)))
    finally:
        for process in busy:
            process.kill()
            process.wait()


if __name__ == "__main__":
    main()
