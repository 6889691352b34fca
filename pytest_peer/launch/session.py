"""Begin a session that ends with its parent, and kill what is below this process; sent as `procfs`.

The kernel gives descendants whose parent has ended to the nearest *subreaper* above them
(prctl(2)). So what a process has started is found below it, whatever session that is in.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes a millisecond of every boot
import os
import time
from _collections_abc import Callable, Collection  # without `collections`, as in `relay.frames`

from . import procfs

PDEATHSIG, SUBREAPER = 1, 36
#: Seconds for what is killed to be gone. It takes less, unless the kernel waits for a disk.
GONE_SECONDS = 2.0
_POLL_SECONDS = 0.002


def begin(parent: int) -> None:
    """In a child that was just forked, begin a session that ends with the parent's only thread."""
    os.setsid()
    prctl(PDEATHSIG, _signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(1)
    prctl(SUBREAPER, 1)


def kill_below(without: Collection[int] = ()) -> None:
    """Kill what is below this process, but for `without`, and wait until it is gone."""
    for _ in range(int(GONE_SECONDS / _POLL_SECONDS)):  # by no clock: the machine may stand still
        below = procfs.descendants(os.getpid(), without)
        if not below:
            return
        for pid in below:
            sent(os.kill, pid, _signal.SIGKILL)  # then its children are ours
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(_POLL_SECONDS)


def sent(kill: Callable[[int, int], object], pid: int, number: int) -> bool:
    """Send a signal; return whether there was such a process or group, and of this user."""
    try:
        kill(pid, number)
    except OSError:
        return False
    return True


def prctl(option: int, value: int) -> None:
    """Set an attribute of this process, such as `SUBREAPER`, where there are such."""
    try:
        import ctypes

        ctypes.CDLL(None).prctl(option, value)
    except (ImportError, OSError, AttributeError):  # not Linux, or a Python without it
        pass
