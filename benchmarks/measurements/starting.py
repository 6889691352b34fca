"""Starting and stopping: one process, many at the same time, and their memory."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Iterator
from contextlib import contextmanager

import memory
from counts import Counts
from rounds import Figure, Measurement, Missing, Taker
from systems.system import System


def measurements(counts: Counts) -> list[Measurement]:
    return [
        Measurement(
            "boot",
            "boot",
            [
                Figure("boot", "boot to the first answer, one by one", "ms", "python -c pass"),
                Figure("stop", "stop until the process is gone", "ms"),
            ],
            _boot,
        ),
        *(_many(count) for count in counts.peers),
        _idle(counts.idle),
    ]


@contextmanager
def _boot(system: System) -> Iterator[Taker]:
    yield system.boot


def _many(count: int) -> Measurement:
    @contextmanager
    def take(system: System) -> Iterator[Taker]:
        yield lambda: _started_and_stopped(system, count)

    return Measurement(
        f"many-{count}",
        "many",
        [
            Figure("wall", f"{count} at the same time: start, call once, stop", "s"),
            Figure("memory", "  memory of its own, of each", "MB"),
        ],
        take,
        share=max(1, count // 10),
        warm=count < 50,
    )


def _idle(count: int) -> Measurement:
    @contextmanager
    def take(system: System) -> Iterator[Taker]:
        if not count:
            raise Missing("not run: --idle 1000")
        _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
        yield lambda: _started_and_stopped(system, count)

    return Measurement(
        f"idle-{count or 1000}",
        "idle",
        [
            Figure(
                "started",
                f"{count:,} idle: start, call once" if count else "idle: start, call once",
                "s",
            ),
            Figure("memory", "  memory of its own, of each", "MB"),
        ],
        take,
        share=1_000_000,  # once
        warm=False,
    )


def _started_and_stopped(system: System, count: int) -> dict[str, float]:
    began = time.perf_counter()
    with system.many(count) as pids:
        started = time.perf_counter() - began
        used = [size for pid in pids if (size := memory.unique(pid)) is not None]  # not timed
        stopping = time.perf_counter()
    stopped = time.perf_counter() - stopping
    figures = {"started": started, "wall": started + stopped}
    return {**figures, "memory": statistics.mean(used)} if used else figures
