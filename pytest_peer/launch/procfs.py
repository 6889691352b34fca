"""What the kernel tells of a process and its threads (proc(5)). Nothing on systems without ``/proc``."""

from __future__ import annotations

import os
from dataclasses import dataclass

#: Between a process and one that started it there are a few launchers.
_MOST_ANCESTORS = 64
#: Of the flags in ``stat``; include/linux/sched.h.
_PF_EXITING = 0x4
_STOPPED = {"T": "it is stopped (SIGSTOP)", "t": "it is stopped by a debugger"}
_STATES = {
    **_STOPPED,
    "R": "it runs",
    "S": "it sleeps",
    "D": "it waits in the kernel, which lets no signal through",
    "Z": "it has ended",
    "X": "it has ended",
}


@dataclass(frozen=True, slots=True)
class ProcessStatus:
    """Of a process, or of one of its threads. Sets of signals are the kernel's: signal 1 is bit 0."""

    state: str
    parent: int
    caught: int
    blocked: int
    #: Sent to the process, and not yet taken by any of its threads.
    pending: int

    @property
    def stopped(self) -> bool:
        """Whether nothing in it runs until it is told to go on."""
        return self.state in _STOPPED

    def catches(self, number: int) -> bool:
        """Whether it has a handler for that signal, and so is not killed by it."""
        return bool(self.caught >> (number - 1) & 1)

    def __str__(self) -> str:
        return _STATES.get(self.state, f"its state is {self.state}")


def parsed(text: str) -> ProcessStatus:
    """The content of a file ``status``."""
    fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    return ProcessStatus(
        state=fields["State"].split()[0],
        parent=int(fields["PPid"]),
        caught=int(fields["SigCgt"], 16),
        blocked=int(fields["SigBlk"], 16),
        pending=int(fields["ShdPnd"], 16),
    )


def is_ours() -> bool:
    """Whether the numbers in ``/proc`` are those that we know processes by.

    Not in a namespace of process ids that was made without its own (``unshare --pid`` without ``--mount-proc``): they are others'.
    """
    try:
        return os.readlink("/proc/self") == str(os.getpid())
    except OSError:
        return False


def of_process(pid: int) -> ProcessStatus | None:
    """``None`` if there is no such process, or no way to know."""
    return _read(f"/proc/{pid}/status") if is_ours() else None


def ends(pid: int) -> bool:
    """Whether the kernel has begun to end it, or has: how, its parent will hear."""
    if not is_ours():
        return False
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            state, *fields = file.read().rpartition(b")")[2].split()
    except OSError:
        return False
    return state in (b"Z", b"X") or bool(int(fields[5]) & _PF_EXITING)


def threads_blocking(pid: int, number: int) -> set[str]:
    """The threads of a process that let that signal wait."""
    found: set[str] = set()
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return found
    for thread in threads:
        status = _read(f"/proc/{pid}/task/{thread}/status")
        if status is not None and status.blocked >> (number - 1) & 1:
            found.add(thread)
    return found


def descends(pid: int, ancestor: int) -> bool:
    """Whether `ancestor` started `pid`, or whoever did, or is it: else the number means nothing on this machine."""
    for _ in range(_MOST_ANCESTORS):
        if pid == ancestor:
            return True
        status = of_process(pid)
        if status is None or status.parent <= 0:
            return False
        pid = status.parent
    return False


def _read(path: str) -> ProcessStatus | None:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return parsed(file.read())
    except (OSError, KeyError, ValueError):
        return None
