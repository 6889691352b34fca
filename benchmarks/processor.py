"""One processor for everything: a round trip then costs what is computed, and nothing of waking another processor."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rounds import Missing


@contextmanager
def pinned() -> Iterator[None]:
    """Pin this process, and what it starts meanwhile, to the last processor that it may use."""
    if not hasattr(os, "sched_setaffinity"):
        raise Missing("no sched_setaffinity")
    before = os.sched_getaffinity(0)
    _set(os.getpid(), {max(before)})
    try:
        yield
    finally:
        _set(os.getpid(), before)


def pin(pid: int) -> None:
    """Pin a process to where this thread is: one that another process forked does not inherit from here."""
    if hasattr(os, "sched_setaffinity"):
        _set(pid, os.sched_getaffinity(0))


def _set(pid: int, processors: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            os.sched_setaffinity(int(thread.name), processors)
        except ProcessLookupError:
            pass  # it has just ended
