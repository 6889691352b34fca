"""The resources of a process that must not grow."""

from __future__ import annotations

import gc
import os
import re
import threading
import time
from dataclasses import asdict, dataclass
from pathlib import Path

#: Seconds: links end and processes are reaped shortly after a peer is down.
_SETTLE = 10.0


@dataclass(frozen=True)
class Figures:
    descriptors: int
    threads: int
    processes: int
    files: int
    #: MiB of resident memory.
    megabytes: float

    @classmethod
    def now(cls, directory: Path) -> Figures:
        gc.collect()
        status = Path("/proc/self/status").read_text()
        resident = re.search(r"VmRSS:\s+(\d+)", status)
        assert resident is not None
        return cls(
            len(os.listdir("/proc/self/fd")),
            threading.active_count(),
            len(_descendants(os.getpid())),
            sum(1 for _ in directory.rglob("*")),
            int(resident[1]) / 1024,
        )

    def settled(self, directory: Path) -> Figures:
        """Return the current figures, as soon as none is above these, or after a time limit."""
        deadline = time.monotonic() + _SETTLE
        while (now := Figures.now(directory)) and time.monotonic() < deadline:
            if not self.grown(now, float("inf")):
                break
            time.sleep(0.05)
        return now

    def beside(self, other: Figures) -> dict[str, tuple[str, str]]:
        """Return both, for a table."""
        ours, theirs = asdict(self), asdict(other)
        return {name: (f"{ours[name]:g}", f"{theirs[name]:g}") for name in ours}

    def grown(self, later: Figures, megabytes: float) -> list[str]:
        """Return the figures that have grown, memory by more than this."""
        ours, theirs = asdict(self), asdict(later)
        ours["megabytes"] += megabytes
        return [name for name in ours if theirs[name] > ours[name]]


def _descendants(pid: int) -> list[int]:
    found: list[int] = []
    for children in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            direct = [int(child) for child in children.read_text().split()]
        except OSError:  # the thread has ended
            continue
        for child in direct:
            found += [child, *_descendants(child)]
    return found
