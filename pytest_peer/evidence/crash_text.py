"""The files into which a peer itself writes, in C, and what is told of them."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from ..launch.bootstrap import own_files
from .thread_dump import readable

#: What faulthandler writes on a crash.
CRASH = "crash.txt"
#: What it writes on our signal; its content goes to ``stacks.txt``.
THREADS = "threads.txt"
#: Of a crash with a hundred deep threads the end has to do.
_MOST_BYTES = 1 << 16


def read(directory: Path) -> str:
    """What a peer said of its crash; empty if nothing."""
    try:
        with (directory / CRASH).open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _MOST_BYTES))
            text = file.read().decode("utf-8", "backslashreplace")
    except OSError:  # it never got so far
        return ""
    return readable(text, own_files())


def add(directory: Path, line: str) -> None:
    """Add a line to what a peer said of its crash, if it did."""
    with contextlib.suppress(OSError):
        if (directory / CRASH).stat().st_size:
            with (directory / CRASH).open("a", encoding="utf-8") as file:
                file.write(line + "\n")


def tidy(directory: Path) -> None:
    """After its end: remove what nobody needs."""
    with contextlib.suppress(OSError):
        (directory / THREADS).unlink()
    with contextlib.suppress(OSError):
        if (directory / CRASH).stat().st_size == 0:
            (directory / CRASH).unlink()
