"""A process in a session of its own: started, signalled, watched, and ended with all that it started."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from ..core.clock import monotonic
from ..core.clock import sleep
from ..core.states import ExitStatus
from ..core.sync import Event

__tracebackhide__ = True

#: Between looks at a process group whose members have been killed but are not gone yet.
_GROUP_POLL = 0.002
#: For who sends a signal to have done it. The handler of another signal may have interrupted that, and wait for this very end.
_HELD_SECONDS = 0.5


class Child(Protocol):
    """A process that somebody waits for: we, or the fork server."""

    pid: int
    #: Why nobody knows how it ended, if that is so.
    orphaned: str

    def watch(self, ended: Callable[[], object]) -> None:
        """Call `ended` once when it has ended. Until it is reaped its number cannot belong to another process."""

    def signal_group(self, number: int) -> None:
        """Have its parent send a signal to its group, if that is another process."""

    def expect_end(self) -> None:
        """It was killed."""

    def remember_descendants(self) -> None:
        """Before an orderly end: some cannot be found any more when their ancestor is gone."""

    def kill_descendants(self) -> None:
        """After its end: kill those outside of its group that can be found."""

    def wait_descendants_gone(self, seconds: float) -> None:
        """After `kill_descendants`: wait for it."""

    def reap(self) -> ExitStatus | None:
        """After its end: let it go, and tell how it ended; ``None`` if nobody knows."""

    def wait_reaped(self, seconds: float) -> None:
        """After `reap`: wait until its number is free."""

    def stopped(self) -> bool:
        """Whether SIGSTOP has stopped it."""

    def disown(self) -> None:
        """In a forked child: it is the parent's."""


class Process:
    """The process of one peer. `on_exit` is called once, by the watcher, just before `exited` is set."""

    def __init__(self, child: Child, on_exit: Callable[[], object]) -> None:
        self._on_exit = on_exit
        #: Set when the process has been reaped.
        self.exited: Event = Event()
        self.exit_status: ExitStatus | None = None
        # Reentrant: the handler of a signal that comes in here may signal the peer, too.
        self._reaping = threading.RLock()
        # Looked at just before the number is used: no handler comes between.
        self._reaped = False
        self._child = child
        self.pid: int = child.pid

    def watch(self) -> None:
        """Begin to wait for the end."""
        self._child.watch(self._ended)

    @property
    def orphaned(self) -> str:
        """Why nobody knows how it ended; empty if somebody does, or it lives."""
        return self._child.orphaned

    def _ended(self) -> None:
        held = self._reaping.acquire(timeout=_HELD_SECONDS)
        try:
            # The group is killed before its leader is reaped: until then the number cannot belong to anybody else.
            self._signal_group(signal.SIGKILL)
            self._child.kill_descendants()
            self._reaped = True
            self.exit_status = self._child.reap()
            self._on_exit()
            self.exited.set()
        finally:
            if held:
                self._reaping.release()

    def kill_all(self) -> None:
        """Kill the process and what it started, also what has left its group, and return at once."""
        self.remember_descendants()
        self.signal_group(signal.SIGKILL)
        if not self.exited.is_set():
            self._child.expect_end()

    def remember_descendants(self) -> None:
        """Before an orderly end: some cannot be found any more when their ancestor is gone."""
        if not self.exited.is_set():
            self._child.remember_descendants()

    def signal(self, number: int, pid: int | None = None) -> None:
        """Send a signal to `pid`, if it belongs to this session, else to the process itself."""
        with self._reaping:
            target = pid if pid is not None and self._owns(pid) else self.pid
            if not self._reaped:
                os.kill(target, number)

    def _owns(self, pid: int) -> bool:
        try:
            return os.getsid(pid) == self.pid
        except ProcessLookupError:
            return False

    def signal_group(self, number: int) -> None:
        """Send a signal to the process and to all that it started and that has not left its group."""
        with self._reaping:
            self._signal_group(number)

    def _signal_group(self, number: int) -> None:
        try:
            if not self._reaped:
                os.killpg(self.pid, number)
        except PermissionError:
            # macOS: when only zombies are left. Else this process has given up the right to, which the peer's parent has.
            self._child.signal_group(number)
        except ProcessLookupError:
            # A forked process that has not come to make itself a group. It is there, since nobody has reaped it: unless its
            # server has died, when anybody may have its number.
            if not self._child.orphaned and not self._reaped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)

    def disown(self) -> None:
        """In a forked child: this process cannot signal it any more."""
        self._reaping = threading.RLock()
        self._reaped = True
        self.exited = Event()
        self.exited.set()
        self._child.disown()

    def wait_stopped(self, seconds: float) -> bool:
        """After SIGSTOP: wait until it has stopped."""
        deadline = monotonic() + seconds
        while not self.exited.is_set():
            if self._child.stopped():
                return True
            if monotonic() > deadline:
                return False
            sleep(_GROUP_POLL)
        return False

    def wait_group_gone(self, seconds: float) -> bool:
        """Wait until nothing that belonged to the group runs any more."""
        deadline = monotonic() + seconds
        self._child.wait_reaped(seconds)  # a zombie is a member of its group
        self._child.wait_descendants_gone(seconds)
        while self._group_runs():
            if monotonic() > deadline:
                return False
            sleep(_GROUP_POLL)
        return True

    def _group_runs(self) -> bool:
        try:
            os.killpg(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            return not self.exited.is_set()
        return any(state not in "ZX" for state in _group_states(self.pid))


def _group_states(group: int) -> list[str]:
    """The states of the group's members; a killed orphan may stay a zombie until somebody reaps it."""
    states = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            after_name = entry.read_text(errors="replace").rpartition(")")[2].split()
        except OSError:
            continue
        if int(after_name[2]) == group:
            states.append(after_name[0])
    return states
