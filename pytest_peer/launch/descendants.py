"""Processes that a peer started and that have left its process group: killing the group does not reach them.

Only those are found whose ancestors up to the peer still live; the kernel gives the others to init.
"""

from __future__ import annotations

import contextlib
import os
import select
import signal
from pathlib import Path

from ..core.clock import monotonic
from . import procfs


def outside_group(pid: int) -> list[int]:
    """Process descriptors of those descendants of `pid` that are in another process group; the caller closes them.

    Descriptors and not numbers: a number may belong to another process by the time it is used.
    """
    found = []
    for child in _descendants(pid):
        try:
            fd = os.pidfd_open(child)
        except (AttributeError, OSError):  # gone already, or no Linux
            continue
        try:
            outside = os.getpgid(child) != pid
        except ProcessLookupError:
            outside = False
        if outside:
            found.append(fd)
        else:
            os.close(fd)
    return found


def kill(fds: list[int]) -> None:
    """Kill the processes; `wait_gone` waits."""
    for fd in fds:
        # It is gone, or another user's. The end of the peer is told all the same.
        with contextlib.suppress(OSError):
            signal.pidfd_send_signal(fd, signal.SIGKILL)


def wait_gone(fds: list[int], seconds: float) -> None:
    """Wait until the killed processes are gone, and close their descriptors."""
    deadline = monotonic() + seconds
    for fd in fds:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(max(0.0, deadline - monotonic()) * 1000)
        os.close(fd)


def _descendants(pid: int) -> list[int]:
    direct: list[int] = []
    if not procfs.is_ours():
        return direct
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:  # the process is gone, or this is no Linux
        threads = []
    for thread in threads:
        with contextlib.suppress(OSError):  # the thread is gone
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text()
            direct += [int(child) for child in children.split()]
    return direct + [deeper for child in direct for deeper in _descendants(child)]
