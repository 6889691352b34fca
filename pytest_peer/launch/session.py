"""Begin a session that ends with its parent, and kill what is below this process; sent as `procfs`.

The kernel gives descendants whose parent has ended to the nearest *subreaper* above them
(prctl(2)). So what descends from a subreaper is found below it, whatever session that is in.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]  # `signal` takes a millisecond of every boot
import errno
import os
import time
from _collections_abc import Callable, Collection  # without `collections`, as in `relay.frames`

from . import procfs

#: What a fork server makes in advance: a peer; the holder of a network, also with the namespace of
#: users that it needs where the origin has no rights.
PEER, HOLDER, USER_HOLDER = "p", "h", "u"
PDEATHSIG, SUBREAPER = 1, 36
#: The same on Linux and macOS; not every Python has it.
_P_PID = 1
#: Seconds for what is killed to be gone. It takes less, unless the kernel waits for a disk.
_GONE_SECONDS = 2.0
_POLL_SECONDS = 0.002


def begin(parent: int) -> None:
    """In a child that was just forked, begin a session that ends with the parent's only thread."""
    os.setsid()
    prctl(PDEATHSIG, _signal.SIGKILL)
    if os.getppid() != parent:  # it ended before
        os._exit(1)


def reap_orphans(child: int) -> bool:
    """Reap what has ended, but for `child`; return whether that has ended."""
    if not hasattr(os, "waitid"):  # no subreaper either, and so no orphans
        return has_changed(child, os.WEXITED | os.WNOHANG)
    while True:
        found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None or found.si_pid == child:
            return found is not None
        os.waitpid(found.si_pid, os.WNOHANG)


def has_changed(child: int, how: int) -> bool:
    """Wait as `os.waitid` does, and reap nothing; return whether it found what it waited for."""
    if hasattr(os, "waitid"):
        return os.waitid(os.P_PID, child, how | os.WNOWAIT) is not None
    # On macOS, it has come with Python 3.13.
    import ctypes

    found = (ctypes.c_int * 64)()  # a siginfo_t, which is smaller; a signal is its first member
    libc = ctypes.CDLL(None, use_errno=True)
    while libc.waitid(_P_PID, child, found, how | os.WNOWAIT):
        if ctypes.get_errno() != errno.EINTR:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
    return found[0] != 0


def kill_below(without: Collection[int] = (), zombie: int = 0) -> None:
    """Kill what is below this process, but for `without`, and wait until it is gone.

    Resource trackers have this time to end by themselves. `zombie` is not reaped. What nothing
    here may kill, as it is another user's, is not waited for.
    """
    for left in reversed(range(int(_GONE_SECONDS / _POLL_SECONDS))):  # the machine may stand still
        below = procfs.descendants(os.getpid(), without)
        if zombie in below and (status := procfs.of_process(zombie)) and status.state == "Z":
            below.remove(zombie)
        forbidden = 0
        for pid in below:
            tracker = left and procfs.is_resource_tracker(pid)
            try:
                os.kill(pid, _signal.SIGCONT if tracker else _signal.SIGKILL)
            except PermissionError:
                forbidden += 1
            except OSError:
                pass  # it has ended, and may have left others to us
            try:
                if pid != zombie:
                    os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                pass  # it is when its parent has ended
        if forbidden == len(below):
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
    global _prctl
    try:
        if _prctl is None:
            import ctypes

            _prctl = ctypes.CDLL(None).prctl
    except (ImportError, OSError, AttributeError):  # not Linux, or a Python without it
        return
    _prctl(option, value)


#: Kept, because a fork server's children would write to many pages to make it.
_prctl: Callable[[int, int], object] | None = None
