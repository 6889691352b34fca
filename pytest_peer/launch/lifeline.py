"""The kernel's part in it that no peer outlives its origin.

The lifeline is a pipe that only the origin can write to, and nobody ever does: it ends when the origin does. Every peer has a file
of its own open at the other end, and has asked the kernel to send SIGKILL to its process group when something happens there
(F_SETOWN, F_SETSIG and O_ASYNC in fcntl(2)). That needs no thread of the peer, no GIL, and not even that it is not stopped.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import threading
from collections.abc import Iterator

_lock = threading.Lock()
_ends: tuple[int, int] | None = None


def open_end() -> int:
    """A file of its own at the end that peers have; the caller closes it when the process has got it. -1 where there is no such thing."""
    global _ends
    if not hasattr(fcntl, "F_SETSIG"):
        return -1
    with _lock:
        if _ends is None:
            _ends = os.pipe()
    try:
        # Not `dup`: owner and signal belong to the open file, and that would be the same.
        return os.open(f"/proc/self/fd/{_ends[0]}", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:  # a system without /proc
        return -1


@contextlib.contextmanager
def closing(fd: int) -> Iterator[None]:
    """Close it in the end, if there is one."""
    try:
        yield
    finally:
        if fd >= 0:
            os.close(fd)


def tie(fd: int, group: int) -> None:
    """Have the kernel kill a process group at the end of this process.

    :param fd: of `open_end`; a process of the group has it too. The kernel keeps the group itself, not its number, which may be
        another's one day.
    """
    if fd >= 0:
        with contextlib.suppress(
            ProcessLookupError
        ):  # it has ended, where nobody has to hear of that
            fcntl.fcntl(fd, fcntl.F_SETOWN, -group)
        fcntl.fcntl(fd, fcntl.F_SETSIG, signal.SIGKILL)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_ASYNC)


def _forked() -> None:
    """In a forked child: held here, it would not end with its origin."""
    global _lock, _ends
    _lock = threading.Lock()
    for fd in _ends or ():
        os.close(fd)
    _ends = None


os.register_at_fork(after_in_child=_forked)
