"""Read what the kernel shows of processes in ``/proc`` (proc(5)). Systems without it show nothing.

Fork servers and the remote ends of relays are sent this module too: it is Python 3.8 and imports
only the standard library.
"""

from __future__ import annotations

import os
from _collections_abc import Collection  # without `collections`, as in `relay.frames`

#: A flag in ``stat``; see include/linux/sched.h.
_PF_EXITING = 0x4
_STATES = {
    "T": "it is stopped (SIGSTOP)",
    "t": "it is stopped by a debugger",
    "R": "it runs",
    "S": "it sleeps",
    "D": "it waits in the kernel, which lets no signal through",
    "Z": "it has ended",
    "X": "it has ended",
}


class ProcessStatus:
    """A file ``status`` of a process or thread; bit 0 of its sets of signals is signal 1."""

    def __init__(self, text: str) -> None:
        fields = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
        self.state: str = fields["State"].split()[0]
        self.parent: int = int(fields["PPid"])
        self.tracer: int = int(fields["TracerPid"])
        self.caught: int = int(fields["SigCgt"], 16)
        self.blocked: int = int(fields["SigBlk"], 16)
        #: Signals that were sent to the process and that no thread has taken yet.
        self.pending: int = int(fields["ShdPnd"], 16)
        #: Whether nothing in it runs before SIGCONT, or before its debugger lets it run.
        self.stopped: bool = self.state in "Tt"

    def __str__(self) -> str:
        return _STATES.get(self.state, "its state is " + self.state)


def of_process(pid: int) -> ProcessStatus | None:
    """Return the status of a process, or of a thread by its number; ``None`` if none is shown."""
    try:
        with open("/proc/%d/status" % pid, encoding="utf-8", errors="replace") as file:
            return ProcessStatus(file.read())
    except (OSError, KeyError, ValueError):
        return None


def stat_fields(pid: int) -> list[bytes]:
    """Return the fields of ``stat`` from the state on, field 3 in proc(5), or raise OSError."""
    with open("/proc/%d/stat" % pid, "rb") as file:
        return file.read().rpartition(b")")[2].split()


def ends(pid: int) -> bool:
    """Whether the kernel has begun to end a process; its parent may not know the status yet."""
    try:
        state, *fields = stat_fields(pid)
    except OSError:
        return False
    return state in (b"Z", b"X") or bool(int(fields[5]) & _PF_EXITING)


def processor_seconds(pid: int | None) -> float:
    """Return for how long a process has had a processor; 0.0 if it is not known."""
    try:
        user, system = stat_fields(pid or 0)[11:13]
    except OSError:
        return 0.0
    return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def wants_processor(pid: int | None) -> bool:
    """Return whether a thread of a process has a processor, or waits for one or for a disk."""
    threads = _listed("/proc/%d/task" % (pid or 0))
    every = [of_process(int(thread)) for thread in threads]
    return any(status is not None and status.state in "RD" for status in every)


def threads_blocking(pid: int, number: int) -> set[str]:
    threads = _listed("/proc/%d/task" % pid)
    found = ((thread, of_process(int(thread))) for thread in threads)
    return {thread for thread, status in found if status and status.blocked >> (number - 1) & 1}


def descends(pid: int, ancestor: int) -> bool:
    """Whether `pid` is `ancestor` or below it; else it is of another machine or container."""
    while pid != ancestor:
        status = of_process(pid)
        if status is None or status.parent <= 0:
            return False
        pid = status.parent
    return True


def children(parent: int) -> list[int]:
    """Return the children of a process; none where ``/proc`` is of another pid namespace."""
    found: list[int] = []
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return found
        for thread in os.listdir("/proc/%d/task" % parent):
            with open("/proc/%d/task/%s/children" % (parent, thread), "rb") as file:
                found += map(int, file.read().split())
        return found
    except OSError:  # a thread has just ended, or the kernel has no CONFIG_PROC_CHILDREN
        pids = [int(name) for name in _listed("/proc") if name.isdigit()]
        return [pid for pid in pids if (status := of_process(pid)) and status.parent == parent]


def descendants(ancestor: int, without: Collection[int] = ()) -> list[int]:
    """Return the processes below `ancestor`, parents first, without those at or below `without`."""
    found: list[int] = []
    parents = [ancestor]
    while parents:
        pids = [pid for pid in children(parents.pop()) if pid not in without]
        found += pids
        parents += pids
    return found


def is_resource_tracker(pid: int) -> bool:
    """Whether it may be what removes others' shared memory, for multiprocessing or joblib.

    It ends by itself when those who have started it, and share its pipe, have ended.
    """
    try:
        with open("/proc/%d/cmdline" % pid, "rb") as file:
            words = file.read()
            return not words or b"resource_tracker import main" in words  # not yet written, or dead
    except OSError:
        return False


def mentions(pid: int, word: bytes) -> bool:
    """Whether a word is in the command line of a process, or in names of files it has mapped."""
    for name in ("cmdline", "maps"):
        try:
            with open("/proc/%d/%s" % (pid, name), "rb") as file:
                if word in file.read():
                    return True
        except OSError:
            pass
    return False


def machine() -> tuple[str, int, int] | None:
    """Identify the machine and container in which a process id means the same process."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            space = os.stat("/proc/self/ns/pid")
            return file.read().strip(), space.st_dev, space.st_ino
    except OSError:
        return None


def _listed(path: str) -> list[str]:
    try:
        return os.listdir(path)
    except OSError:
        return []
