"""Let the kernel end every peer with its origin.

The lifeline is a pipe that only the origin can write to, and never does, so it ends with the
origin. Every peer has a file of its own open at the other end, for which the kernel sends SIGKILL
to its owner when something happens there (F_SETOWN, F_SETSIG and O_ASYNC in fcntl(2)): to the
peer, whose reaper kills the rest, or to the group of a process that has no reaper. That works
without a thread of the peer, without the GIL, and when the peer is stopped. A reaper that is
stopped gets SIGCONT by a file of its own.
Fork servers are sent this module too, for their children.
"""

import contextlib
import fcntl
import os
import signal
from collections.abc import Iterator

from ..core.locks import Lock

_lock = Lock()
_ends: tuple[int, int] | None = None


@contextlib.contextmanager
def opened() -> Iterator[int]:
    """Give a process that starts in the block a file of its own at the peers' end; -1 for none."""
    global _ends
    fd = -1
    if hasattr(fcntl, "F_SETSIG"):
        with _lock:
            _ends = _ends or os.pipe()
        with contextlib.suppress(FileNotFoundError):  # a system without /proc
            # Not `dup`, which would give the same open file, to which owner and signal belong.
            fd = os.open(f"/proc/self/fd/{_ends[0]}", os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        if fd >= 0:
            os.close(fd)


def tie(fd: int, owner: int, number: int = signal.SIGKILL) -> None:
    """Have the kernel signal a process, or minus a group, when the origin ends; it has `fd` too."""
    if fd >= 0:
        with contextlib.suppress(ProcessLookupError):  # it has ended
            # The process or group itself, whoever gets its number.
            fcntl.fcntl(fd, fcntl.F_SETOWN, owner)
        fcntl.fcntl(fd, fcntl.F_SETSIG, number)
        fcntl.fcntl(fd, fcntl.F_SETFL, os.O_ASYNC)


def _forked() -> None:
    """In a forked child, close the lifeline: held here, it would not end with the origin."""
    global _lock, _ends
    _lock = Lock()
    for fd in _ends or ():
        os.close(fd)
    _ends = None


os.register_at_fork(after_in_child=_forked)
