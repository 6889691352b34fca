"""A process that is our own child: a program that was executed where there is no fork server to be its parent."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable
from collections.abc import Sequence

from ..core.clock import Thread
from ..core.errors import ExecNotFound
from ..core.loop import watcher
from ..core.states import ExitStatus
from . import descendants
from .command import Command
from .reaping import HELD
from .reaping import UNHEARD
from .reaping import reap

__tracebackhide__ = True


#: It has ended before; a kernel may take a moment. The watcher, and so all other peers, wait for it.
_REAP_SECONDS = 1.0


class SpawnedChild:
    """Started when this is made.

    :param standard: what it has as stdin, stdout and stderr.
    :param keep: the descriptors that it inherits besides.
    :raises ExecNotFound: there is no such program.
    """

    #: Set when somebody else has taken what the kernel tells of its end.
    orphaned: str = ""

    def __init__(self, command: Command, standard: Sequence[int], keep: Sequence[int]) -> None:
        try:
            self._popen = subprocess.Popen(
                command.argv,
                stdin=standard[0],
                stdout=standard[1],
                stderr=standard[2],
                env=command.env,
                cwd=command.cwd,
                pass_fds=keep,
                # Ctrl-C in the terminal reaches the origin only, and one signal reaches all descendants.
                start_new_session=True,
            )
        except OSError as exc:
            raise ExecNotFound(
                f"cannot run {command.argv[0]!r}: {exc.strerror or exc}", argv=command.argv
            ) from None
        self.pid: int = self._popen.pid
        self._pidfd = -1
        self._escaped: list[int] = []

    def watch(self, ended: Callable[[], object]) -> None:
        """Call `ended` once when it has ended."""
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, or a kernel before 5.3
            self._watch_without(ended)
        else:
            watcher.add(self._pidfd, ended)

    def _watch_without(self, ended: Callable[[], object]) -> None:
        self._pidfd = -1
        name = f"pytest-peer-wait-{self.pid}"
        Thread(target=self._wait, args=(ended,), name=name, daemon=True).start()

    def _wait(self, ended: Callable[[], object]) -> None:
        with contextlib.suppress(
            ChildProcessError
        ):  # somebody else in this process has heard of it
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        ended()

    def signal_group(self, number: int) -> None:
        """We are the parent."""

    def expect_end(self) -> None:
        """The kernel tells of it."""

    def remember_descendants(self) -> None:
        """Those outside of its group cannot be found any more when their ancestor is gone."""
        self._escaped += descendants.outside_group(self.pid)

    def kill_descendants(self) -> None:
        """Those that were remembered."""
        descendants.kill(self._escaped)

    def wait_descendants_gone(self, seconds: float) -> None:
        """Wait for the end of those that were killed."""
        escaped, self._escaped = self._escaped, []
        descendants.wait_gone(escaped, seconds)

    def reap(self) -> ExitStatus | None:
        """After its end: let it go, and tell how it ended; ``None`` if nobody knows."""
        if self._pidfd >= 0:
            watcher.remove(self._pidfd)
            os.close(self._pidfd)
        try:
            status = reap(self._popen, _REAP_SECONDS)
            self.orphaned = "" if status is not None else UNHEARD
        except subprocess.TimeoutExpired:
            self.disown()
            status, self.orphaned = None, HELD
        return status

    def wait_reaped(self, seconds: float) -> None:
        """`reap` has done it."""

    def stopped(self) -> bool:
        """Whether SIGSTOP has stopped it: all of its threads."""
        try:
            how = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.pid, how) is not None
        except ChildProcessError:
            return True  # gone: it will not get any stiller

    def disown(self) -> None:
        """In a forked child: this process cannot wait for it."""
        self._popen.returncode = 0  # else its finalizer would complain of a process that still runs
