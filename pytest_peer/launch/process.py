"""A process in a session of its own: signal it, wait for it, end it with all it has started."""

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from functools import partial
from typing import Protocol

from ..core.clock import monotonic, sleep
from ..core.down_reason import ExitStatus
from ..core.loop import loop
from ..core.sync import Event
from ..core.worker import start_thread
from . import procfs, session
from .command import Command
from .elsewhere import at_home

#: The text for an exit status that the kernel gave to someone else, or gives later.
STATUS_LOST = (
    "its exit status is lost: something in the origin waits for all children or ignores SIGCHLD, "
    "or a debugger that is attached to the process has not let it go"
)
#: Seconds that the event loop waits for the kernel to release a process that has ended.
_REAP_SECONDS = 1.0
#: Seconds between checks whether processes have stopped or ended, or killed ones are gone.
_POLL_SECONDS = 0.002


class Child(Protocol):
    """A process whose parent is this process or a fork server."""

    pid: int
    #: Why nothing is known of its exit status after its end; empty otherwise.
    status_lost: str = ""
    #: Whether its parent kills at its end all that it has started, resource trackers last.
    has_reaper: bool = False

    def watch(self, ended: Callable[[], object]) -> None:
        """Call `ended` once, when it has ended. Its number stays its own until `reap`."""

    def remember_descendants(self) -> None:
        """Prepare `reap` to kill descendants outside its group, while these can be found."""

    def reap(self) -> ExitStatus | None:
        """Release the ended process, kill what it has left, and return how it ended."""

    def wait_gone(self, seconds: float) -> None:
        """After `reap`, wait until its number is free and what it has left is gone."""


def execute(
    command: Command, standard: Sequence[int], keep: Sequence[int]
) -> "subprocess.Popen[bytes]":  # a string: a test may have replaced it
    with at_home():
        popen = subprocess.Popen(
            command.argv,
            stdin=standard[0],
            stdout=standard[1],
            stderr=standard[2],
            env=command.env,
            cwd=command.cwd,
            pass_fds=keep,
            # Ctrl-C in the terminal reaches only the origin, and one signal all descendants.
            start_new_session=True,
        )
    popen.returncode = 0  # `subprocess` shall not wait for it
    return popen


class SpawnedChild(Child):
    """Our own child, started when this is made: a program, where there is no fork server for it."""

    def __init__(self, command: Command, standard: Sequence[int], keep: Sequence[int]) -> None:
        self.pid: int = execute(command, standard, keep).pid
        self._pidfd = -1
        # By descriptors: unlike numbers, these never mean other processes.
        self._descendants: list[int] = []

    def watch(self, ended: Callable[[], object]) -> None:
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, or a kernel before 5.3
            start_thread(partial(self._wait, ended), f"pytest-peer-wait-{self.pid}")
        else:
            loop.add(self._pidfd, ended)

    def _wait(self, ended: Callable[[], object]) -> None:
        with contextlib.suppress(ChildProcessError):  # something else has taken the status
            session.has_changed(self.pid, os.WEXITED)
        loop.call_soon(ended)

    def remember_descendants(self) -> None:  # after its end, they are children of init
        for pid in procfs.descendants(self.pid):
            with contextlib.suppress(AttributeError, OSError):  # gone already, or no Linux
                self._descendants.append(os.pidfd_open(pid))

    def reap(self) -> ExitStatus | None:
        for fd in self._descendants:
            with contextlib.suppress(OSError):  # gone, or another user's
                signal.pidfd_send_signal(fd, signal.SIGKILL)
        if self._pidfd >= 0:
            loop.remove(self._pidfd)
            os.close(self._pidfd)
        status = None
        with contextlib.suppress(TimeoutError):
            status = reap(self.pid, _REAP_SECONDS)
        self.status_lost = STATUS_LOST if status is None else ""
        return status

    def wait_gone(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        while self._descendants:
            poll = select.poll()
            poll.register(self._descendants[-1], select.POLLIN)
            poll.poll(max(0.0, deadline - monotonic()) * 1000)
            os.close(self._descendants.pop())


def reap(pid: int, seconds: float) -> ExitStatus | None:
    """Wait for the end of a child, release it, and return how it ended; or raise TimeoutError.

    ``None`` if ``os.wait()`` of other code, or the kernel (SIGCHLD ignored), has taken the status.
    """
    deadline = monotonic() + seconds
    while True:
        try:
            found, status = os.waitpid(pid, os.WNOHANG)
        except ChildProcessError:
            return None
        if found:
            return ExitStatus.from_returncode(os.waitstatus_to_exitcode(status))
        if monotonic() > deadline:
            raise TimeoutError
        sleep(_POLL_SECONDS)


class Process:
    """The process of one peer: the interpreter, or the launcher that has started it.

    Only the event loop sends signals and reaps, so a number never belongs to another process. It
    calls `on_exit` once, right after `exited` is set.
    """

    def __init__(self, child: Child, on_exit: Callable[[], object]) -> None:
        self._on_exit = on_exit
        #: Set when the process has been reaped.
        self.exited: Event = Event()
        self.exit_status: ExitStatus | None = None
        self.child: Child = child
        self.pid: int = child.pid
        #: The process id of the interpreter, once it is known.
        self.interpreter: int = child.pid

    def watch(self) -> None:
        self.child.watch(self._ended)

    def _ended(self) -> None:
        # The group is killed before its leader is reaped: until then the number is its own.
        self.signal_group(signal.SIGKILL)
        self.exit_status = self.child.reap()
        self.exited.set()
        self._on_exit()

    def kill_all(self) -> None:
        """Kill the process and what it started, also outside its group, and return at once."""
        if not self.child.has_reaper:
            self.remember_descendants()
            self.signal_group(signal.SIGKILL)
        elif not self.exited.is_set():
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGKILL)

    def remember_descendants(self) -> None:
        """Before an orderly end, note the descendants that could not be found after it."""
        if not self.exited.is_set():
            self.child.remember_descendants()

    def signal(self, number: int) -> None:
        """Send a signal to the interpreter, also when a launcher is its parent."""
        if not self.exited.is_set():
            os.kill(self.interpreter if self._launched() else self.pid, number)

    def signal_group(self, number: int) -> None:
        """Send a signal to the process, the interpreter, and what shares their groups."""
        try:
            if not self.exited.is_set():
                os.killpg(self.pid, number)
        except PermissionError:
            if number != signal.SIGKILL:  # this process has dropped the right to do it
                raise
            # The end of all is tried often, and on macOS only zombies may be left.
        except ProcessLookupError:
            # A forked process that has not made itself a group yet. Its number is its own until
            # it is reaped, unless its fork server has died.
            if not self.child.status_lost:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(self.pid, number)
        if self._launched():
            with contextlib.suppress(ProcessLookupError):
                group = os.getpgid(self.interpreter)
                if group != self.pid:  # for example, ``setsid`` stands in front of it
                    os.killpg(group, number)

    def _launched(self) -> bool:
        """Whether the interpreter is another process of this machine, below this one."""
        pid, own = self.interpreter, self.pid
        with contextlib.suppress(ProcessLookupError):
            return pid != own and (os.getsid(pid) == own or procfs.descends(pid, own))
        return False

    def wait_stopped(self, seconds: float) -> bool:
        """After SIGSTOP, wait until ``/proc`` shows nothing that runs; return whether it does so."""
        deadline = monotonic() + seconds
        while not self.exited.is_set() and monotonic() < deadline:
            pids = (self.pid, self.interpreter) if self._launched() else (self.pid,)
            if all(status.stopped for status in map(procfs.of_process, pids) if status):
                return True
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
