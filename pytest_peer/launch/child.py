"""A process that is our own child: a program, where no fork server can be its parent."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
from collections.abc import Callable, Sequence
from functools import partial

from ..core.clock import monotonic, sleep
from ..core.down_reason import ExitStatus
from ..core.loop import loop
from ..core.worker import start_thread
from . import procfs
from .command import Command

#: The text for an exit status that the kernel gave to someone else, or gives later.
STATUS_LOST = (
    "its exit status is lost: something in the origin waits for all children or ignores SIGCHLD, "
    "or a debugger that is attached to the process has not let it go"
)
#: Seconds that the event loop waits for the kernel to release a process that has ended.
_REAP_SECONDS = 1.0
_POLL_SECONDS = 0.002


class SpawnedChild:
    """Started when this is made.

    :param standard: the descriptors of its stdin, stdout and stderr.
    :param keep: further descriptors that it inherits.
    :raises OSError: it cannot be executed.
    """

    #: See `Child.status_lost`.
    status_lost: str = ""

    def __init__(self, command: Command, standard: Sequence[int], keep: Sequence[int]) -> None:
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
        self.pid: int = pid_of(popen)
        self._pidfd = -1
        #: Process descriptors, which unlike numbers never come to mean other processes.
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
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        loop.call_soon(ended)

    def remember_descendants(self) -> None:
        """Note all descendants; after its end, they are children of init."""
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
        try:
            status = reap(self.pid, _REAP_SECONDS)
        except TimeoutError:
            status = None
        if status is None:
            self.status_lost = STATUS_LOST
        return status

    def wait_gone(self, seconds: float) -> None:
        deadline = monotonic() + seconds
        while self._descendants:
            poll = select.poll()
            poll.register(self._descendants[-1], select.POLLIN)
            poll.poll(max(0.0, deadline - monotonic()) * 1000)
            os.close(self._descendants.pop())

    def stopped(self) -> bool:
        try:
            how = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.pid, how) is not None
        except ChildProcessError:
            return True


def pid_of(popen: subprocess.Popen[bytes]) -> int:
    """Take a process from `subprocess`, which calls a status that others have taken 0."""
    popen.returncode = 0
    return popen.pid


def reap(pid: int, seconds: float) -> ExitStatus | None:
    """Wait for the end of a child of ours, release it, and return how it ended.

    ``None`` if something else in this process has taken the status: ``os.wait()``, or the kernel
    where SIGCHLD is ignored.

    :raises TimeoutError: it has not ended within so many seconds.
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
