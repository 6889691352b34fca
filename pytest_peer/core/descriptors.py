"""Descriptors of ours that code under test may close, as it may all of its process: by a bug, or by `os.closerange`."""

from __future__ import annotations

import contextlib
import os

#: What is open at a number.
Identity = tuple[int, int]


def identity(fd: int) -> Identity | None:
    """What tells whether `fd` is still what it was; ``None`` if nothing is open there."""
    try:
        status = os.fstat(fd)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def occupy(highest: int) -> None:
    """Open something harmless at all free numbers up to that one.

    Those who had them do not know that they were closed, and close them one day; until then they must not be anybody else's.
    """
    with contextlib.suppress(OSError):  # there are no more
        fd = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        while fd <= highest:
            fd = os.dup(fd)  # the lowest that is free
        os.close(fd)
