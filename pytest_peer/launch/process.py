"""A process in a session of its own: signal it, wait for it, end it with all it has started."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from typing import Protocol

from ..core.clock import monotonic, sleep
from ..core.down_reason import ExitStatus
from ..core.sync import Event
from . import procfs

#: Seconds between checks whether processes have stopped, or killed ones are gone.
_POLL_SECONDS = 0.002


class Child(Protocol):
    """A process whose parent is this process or a fork server."""

    pid: int
    #: Why nothing is known of its exit status after its end; empty otherwise.
    status_lost: str

    def watch(self, ended: Callable[[], object]) -> None:
        """Call `ended` once, when it has ended. Its number stays its own until `reap`."""

    def remember_descendants(self) -> None:
        """Prepare `reap` to kill descendants outside its group, while these can be found."""

    def reap(self) -> ExitStatus | None:
        """Release the ended process, kill what it has left, and return how it ended."""

    def wait_gone(self, seconds: float) -> None:
        """After `reap`, wait until its number is free and what it has left is gone."""

    def stopped(self) -> bool:
        """Whether SIGSTOP has stopped it; also true when it is gone."""


class Process:
    """The process of one peer: the interpreter, or the launcher that has started it.

    Only the event loop sends signals and reaps, so a number never belongs to another process.

    :param on_exit: called once by the event loop, right after `exited` is set.
    """

    def __init__(self, child: Child, on_exit: Callable[[], object]) -> None:
        self._on_exit = on_exit
        #: Set when the process has been reaped.
        self.exited: Event = Event()
        self.exit_status: ExitStatus | None = None
        self._reaped = False
        self.child: Child = child
        self.pid: int = child.pid
        #: The process id of the interpreter, once it is known.
        self.interpreter: int = child.pid

    def watch(self) -> None:
        """Begin to wait for the end."""
        self.child.watch(self._ended)

    def _ended(self) -> None:
        # The group is killed before its leader is reaped: until then the number is its own.
        self.signal_group(signal.SIGKILL)
        self._reaped = True
        self.exit_status = self.child.reap()
        self.exited.set()
        self._on_exit()

    def kill_all(self) -> None:
        """Kill the process and what it started, also outside its group, and return at once."""
        self.remember_descendants()
        self.signal_group(signal.SIGKILL)

    def remember_descendants(self) -> None:
        """Before an orderly end, note the descendants that could not be found after it."""
        if not self.exited.is_set():
            self.child.remember_descendants()

    def signal(self, number: int) -> None:
        """Send a signal to the interpreter, also when a launcher is its parent."""
        if not self._reaped:
            os.kill(self.interpreter if self._launched() else self.pid, number)

    def signal_group(self, number: int) -> None:
        """Send a signal to the process, the interpreter, and what shares their groups."""
        try:
            if not self._reaped:
                os.killpg(self.pid, number)
        except PermissionError:
            pass  # macOS: only zombies are left; or this process has dropped the right to do it
        except ProcessLookupError:
            # A forked process that has not made itself a group yet. Its number is its own until
            # it is reaped, unless its fork server has died.
            if not self.child.status_lost and not self._reaped:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)
        if self._launched():
            with contextlib.suppress(ProcessLookupError):
                group = os.getpgid(self.interpreter)
                if group != self.pid:  # for example, ``setsid`` stands in front of it
                    os.killpg(group, number)

    def _launched(self) -> bool:
        """Whether the interpreter is another process of this machine, below this one."""
        pid = self.interpreter
        if pid == self.pid:
            return False
        with contextlib.suppress(ProcessLookupError):
            return os.getsid(pid) == self.pid or procfs.descends(pid, self.pid)
        return False

    def disown(self) -> None:
        """In a forked child, keep the parent's process from being signalled."""
        self._reaped = True
        self.exited = Event()
        self.exited.set()

    def wait_stopped(self, seconds: float) -> bool:
        """After SIGSTOP, wait until it has stopped; return whether it has in time."""
        deadline = monotonic() + seconds
        while not self.exited.is_set():
            status = procfs.of_process(self.interpreter) if self._launched() else None
            if self.child.stopped() and (status is None or status.stopped):
                return True
            if monotonic() > deadline:
                return False
            sleep(_POLL_SECONDS)
        return False

    def wait_group_gone(self, seconds: float) -> None:
        """Wait until its group has no member any more, at most so many seconds."""
        deadline = monotonic() + seconds
        self.child.wait_gone(seconds)  # before it is reaped, it is a member of its group
        with contextlib.suppress(ProcessLookupError, PermissionError):  # macOS: only zombies
            while monotonic() < deadline:
                os.killpg(self.pid, 0)
                sleep(_POLL_SECONDS)
