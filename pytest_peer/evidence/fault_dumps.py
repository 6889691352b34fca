"""Stacks that a peer's faulthandler writes on a signal: needs no cooperation, nor the GIL."""

from __future__ import annotations

import os
import resource
import signal
from pathlib import Path

from ..core.clock import monotonic
from ..core.clock import sleep
from ..launch import procfs

#: One that nobody else uses, hopefully; none on systems without such signals.
NUMBER: int | None = signal.SIGRTMAX - 2 if hasattr(signal, "SIGRTMAX") else None
_POLL = 0.002
#: Where the kernel does not show who is writing: after so long without anything new it is taken to be all.
_QUIET = 0.25


def dumped(pid: int, path: Path, deadline: float) -> str:
    """Make the process write its stacks, and read them; empty if it does not, or cannot.

    :param pid: of a process that `process_status.descends` from one of ours.
    :param path: the file into which it writes.
    :param deadline: of ``time.monotonic``.
    """
    try:
        size = path.stat().st_size
        process = os.pidfd_open(pid)  # the number may have another owner in a moment, this has not
    except (AttributeError, OSError):
        return ""
    try:
        status = procfs.of_process(pid)
        # One without a handler would be killed. (It may execute another program just now. Nothing helps against that.)
        if NUMBER is None or status is None or status.stopped or not status.catches(NUMBER):
            return ""
        blocking = procfs.threads_blocking(pid, NUMBER)
        signal.pidfd_send_signal(process, NUMBER)
    except OSError:  # it has ended
        return ""
    finally:
        os.close(process)
    _wait_written(pid, NUMBER, blocking, path, deadline)
    with path.open("rb") as file:
        file.seek(size)
        return file.read().decode("utf-8", "backslashreplace")


def abort(pid: int) -> bool:
    """End the process by SIGABRT, without a core, if it has a handler for that: faulthandler's tells its stacks first.

    Return whether it was sent.
    """
    try:
        process = os.pidfd_open(pid)
    except (AttributeError, OSError):
        return False
    try:
        status = procfs.of_process(pid)
        if status is None or status.stopped or not status.catches(signal.SIGABRT):
            return False
        # 0 would do for a file, but a program that gets the cores is only spared by 1 (core(5)).
        _, hard = resource.prlimit(pid, resource.RLIMIT_CORE)
        resource.prlimit(pid, resource.RLIMIT_CORE, (min(1, hard) if hard >= 0 else 1, hard))
        signal.pidfd_send_signal(process, signal.SIGABRT)
    except OSError:  # it has ended
        return False
    finally:
        os.close(process)
    return True


def _wait_written(pid: int, number: int, blocking: set[str], path: Path, deadline: float) -> None:
    """Wait until the handler has returned.

    What it writes has no end marker. But the thread that is in a handler blocks its signal: it is done when the signal waits for
    no thread, and none blocks it that did not before.
    """
    size, changed = path.stat().st_size, 0.0
    while (now := monotonic()) < deadline:
        status = procfs.of_process(pid)
        if status is None or status.state in "ZX":
            return
        waits = status.pending >> (number - 1) & 1
        if not waits and procfs.threads_blocking(pid, number) <= blocking:
            return
        grown = path.stat().st_size
        if grown != size:
            size, changed = grown, now
        elif changed and now - changed > _QUIET:
            return  # a thread that blocks it for another reason
        sleep(_POLL)
