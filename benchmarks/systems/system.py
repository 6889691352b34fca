"""What a system has to offer to be measured. Everything is optional: what it does not have is missing in the table."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from functools import partial

import far

#: Between two small calls while something large moves; longer than any of them should take.
PACE = 0.01
#: How often it moves, for enough of them.
TRANSFERS = 10


def seconds(action: Callable[[], object]) -> float:
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def at_once(actions: list[Callable[[], object]]) -> None:
    """Run each on a thread of its own; the first failure is raised."""
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
    """One process at the far end, booted, for as long as its measurement lasts."""

    #: Processes at the far end.
    pids: list[int]

    def trip(self) -> object:
        """The smallest call there is."""
        raise NotImplementedError

    def caller(self) -> Callable[[], object]:
        """`trip` for a thread that is one of several."""
        return self.trip

    def pipelined(self, count: int) -> None:
        """So many trips, without waiting for one before the next is sent."""
        raise NotImplementedError

    def push(self, payload: bytes) -> object:
        """Send it, and get an answer."""
        raise NotImplementedError

    def pull(self, size: int) -> object:
        """Get so many bytes, which are there after the first time."""
        raise NotImplementedError

    def print(self, count: int) -> None:
        """Receive that many lines of 20 characters."""
        raise NotImplementedError

    # What a system of another language measures itself.

    def trips(self, count: int) -> list[float]:
        """Seconds of each of so many trips."""
        clock, trip, times = time.perf_counter, self.trip, []
        for _ in range(count):
            began = clock()
            trip()
            times.append(clock() - began)
        return times

    def together(self, threads: int, count: int) -> float:
        """Seconds of `count` trips on each of so many threads."""

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
        """A trip is due at `PACE` while `transfer` runs again and again on another thread. Seconds from then to its answer.

        One that waits makes those after it late, which counts: who calls does not know that he should wait.
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
    """A way to start processes and to have something done there."""

    name: str
    #: What it can be measured for: "boot", "many", "idle", "suite", "plugin";
    #: of its line "trips", "together", "pipelined", "payload", "during", "print".
    offers: frozenset[str]

    def boot(self) -> dict[str, float]:
        """Seconds: ``boot`` from nothing to the first answer, ``stop`` until the process is gone."""
        raise NotImplementedError

    def many(self, count: int) -> AbstractContextManager[list[int]]:
        """So many processes, started at the same time and called once each; stopped at the end. Gives their ids."""
        raise NotImplementedError

    def line(self) -> AbstractContextManager[Line]:
        raise NotImplementedError

    def version(self) -> str:
        """Name and version, if that is not the interpreter's."""
        return ""

    def close(self) -> None:
        """End what lives between measurements."""
