"""Taking what the kernel tells of the end of a child of ours.

It tells once. Code under test may be the one who hears it, with ``os.wait()`` or SIGCHLD ignored; `subprocess` calls that status 0.
"""

from __future__ import annotations

import os
import subprocess

from ..core.clock import monotonic
from ..core.clock import sleep
from ..core.states import ExitStatus

#: Instead of how a process ended.
UNHEARD = (
    "nobody knows how it ended: something in the origin waits for all children, or ignores SIGCHLD"
)
#: The same, when its tracer (ptrace(2)) does not take what the kernel tells it first.
HELD = "nobody knows how it ended: a debugger that is attached to it has not let it go"
_POLL_SECONDS = 0.002


def reap(child: subprocess.Popen[bytes], seconds: float) -> ExitStatus | None:
    """Wait for its end and let it go; ``None`` if somebody else has.

    :raises subprocess.TimeoutExpired: it has not ended so many seconds later.
    """
    deadline = monotonic() + seconds
    while child.returncode is None:
        try:
            pid, status = os.waitpid(child.pid, os.WNOHANG)
        except ChildProcessError:
            if child.returncode is not None:  # `subprocess` has just now
                break
            child.returncode = 0  # else its finalizer would complain of a process that still runs
            return None
        if pid:
            child.returncode = os.waitstatus_to_exitcode(status)
        elif monotonic() > deadline:
            raise subprocess.TimeoutExpired(child.args, seconds)
        else:
            sleep(_POLL_SECONDS)
    return ExitStatus.from_returncode(child.returncode)
