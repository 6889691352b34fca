"""Pin processes to one processor, so that a round trip does not include waking another one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rounds import Missing


@contextmanager
def pinned() -> Iterator[None]:
    """Pin this process, and those that it starts meanwhile, to the last processor it may use."""
    if not hasattr(os, "sched_setaffinity"):
        raise Missing("no sched_setaffinity")
    before = os.sched_getaffinity(0)
    _set(os.getpid(), {max(before)})
    try:
        yield
    finally:
        _set(os.getpid(), before)


def pin(pid: int) -> None:
    """Pin a process to the processors of this thread, if another process has forked it."""
    if hasattr(os, "sched_setaffinity"):
        _set(pid, os.sched_getaffinity(0))


def _set(pid: int, processors: set[int]) -> None:
    for thread in Path(f"/proc/{pid}/task").iterdir():
        try:
            os.sched_setaffinity(int(thread.name), processors)
        except ProcessLookupError:
            pass  # it has just ended
