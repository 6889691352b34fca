"""The interface of a system that is measured.

All of it is optional: the table does not show what a system does not have.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import far

#: Seconds between two small calls during a transfer; longer than any of them should take.
PACE = 0.01
#: Transfers, so that there are enough of these calls.
TRANSFERS = 10


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def at_once(actions: list[Callable[[], object]]) -> None:
    """Run each function on a thread of its own, and raise the first failure."""
    failures: list[BaseException] = []

    def run(action: Callable[[], object]) -> None:
        try:
            action()
        except BaseException as exc:
            failures.append(exc)

    threads = [threading.Thread(target=run, args=(action,), daemon=True) for action in actions]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


class Line:
    """A booted process, which lives as long as its measurement."""

    #: The ids of its processes.
    pids: list[int]

    def trip(self) -> object:
        """Do the smallest possible call."""
        raise NotImplementedError

    def siblings(self, count: int) -> list[float]:
        """Return the seconds of each of so many trips that another such process does."""
        raise NotImplementedError

    def caller(self) -> Callable[[], object]:
        """Return a `trip` for one of several threads."""
        return self.trip

    def pipelined(self, count: int) -> None:
        """Do so many trips, without waiting for one before sending the next."""
        raise NotImplementedError

    def push(self, payload: bytes) -> object:
        """Send a payload, and get a reply."""
        raise NotImplementedError

    def pull(self, size: int) -> object:
        """Get so many bytes, which the process makes only once."""
        raise NotImplementedError

    def print(self, count: int) -> None:
        """Receive that many lines of 20 characters."""
        raise NotImplementedError

    # A system in another language measures these itself.

    def trips(self, count: int) -> list[float]:
        """Return the seconds of each of so many trips."""
        clock, trip, times = time.perf_counter, self.trip, []
        for _ in range(count):
            began = clock()
            trip()
            times.append(clock() - began)
        return times

    def together(self, threads: int, count: int) -> float:
        """Return the seconds of `count` trips on each of so many threads."""

        def calls(trip: Callable[[], object]) -> None:
            for _ in range(count):
                trip()

        callers = [self.caller() for _ in range(threads)]
        return seconds(lambda: at_once([partial(calls, trip) for trip in callers]))

    def seconds_to_push(self, size: int) -> float:
        payload = far.payload(size)
        return seconds(lambda: self.push(payload))

    def seconds_to_pull(self, size: int) -> float:
        return seconds(lambda: self.pull(size))

    def lines_per_second(self, count: int) -> float:
        return count / seconds(lambda: self.print(count))

    def trips_during(self, transfer: Callable[[], object]) -> list[float]:
        """Return the seconds of trips while `transfer` runs repeatedly on another thread.

        A trip is due every `PACE` seconds, and its time counts from then: a trip that waits makes
        the following ones late.
        """
        trip = self.caller()
        trip()
        times = []

        def move() -> None:
            for _ in range(TRANSFERS):
                transfer()

        moving = threading.Thread(target=move, daemon=True)
        due = time.perf_counter()
        moving.start()
        while not times or moving.is_alive() or due < time.perf_counter() - PACE:
            due += PACE
            time.sleep(max(0.0, due - time.perf_counter()))
            trip()
            times.append(time.perf_counter() - due)
        moving.join()
        return times


class System:
    """A way to start processes and to call functions there."""

    name: str
    #: The measurements it has: "boot", "many", "idle", "suite", "plugin";
    #: and of its line "trips", "siblings", "together", "pipelined", "payload", "during", "print".
    offers: frozenset[str]

    def boot(self) -> dict[str, float]:
        """Return seconds: ``boot`` until the first reply, ``stop`` until the process is gone."""
        raise NotImplementedError

    def many(self, count: int) -> AbstractContextManager[list[int]]:
        """Start so many processes at the same time, call each once, and stop them in the end.

        The value of the block is their ids.
        """
        raise NotImplementedError

    def line(self) -> AbstractContextManager[Line]:
        raise NotImplementedError

    def version(self) -> str:
        """Return name and version; empty for those of the interpreter."""
        return ""

    def close(self) -> None:
        """End the processes that live between measurements."""
