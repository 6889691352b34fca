"""Processes that a peer started and that have left its process group: killing the group does not reach them.

Only those are found whose ancestors up to the peer still live; the kernel gives the others to init.
"""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path


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
    """Kill the processes, and close their descriptors."""
    for fd in fds:
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(fd, signal.SIGKILL)
        os.close(fd)


def _descendants(pid: int) -> list[int]:
    direct: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            children = Path(f"/proc/{pid}/task/{thread}/children").read_text()
            direct += [int(child) for child in children.split()]
    except OSError:  # the process is gone, or this is no Linux
        pass
    return direct + [deeper for child in direct for deeper in _descendants(child)]
