"""A process in a session of its own: started, signalled, watched, and ended with all that it started."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from ..errors import ExecNotFound
from ..states import ExitStatus
from ..watcher import watcher
from . import descendants
from .command import Command

__tracebackhide__ = True  # a report shows the test and the peer, not what is between

#: Between looks at a process group whose members have been killed but are not gone yet.
_GROUP_POLL = 0.002


class Process:
    """The process of one peer. `on_exit` is called once, by the watcher, just before `exited` is set."""

    def __init__(
        self, command: Command, keep_fds: Sequence[int], on_exit: Callable[[], object]
    ) -> None:
        self._on_exit = on_exit
        #: Set when the process has been reaped.
        self.exited: threading.Event = threading.Event()
        self.exit_status: ExitStatus | None = None
        self._reaping = threading.Lock()
        self._escaped: list[int] = []
        self._popen = _spawn(command, keep_fds)
        self.pid: int = self._popen.pid
        assert self._popen.stdin and self._popen.stdout and self._popen.stderr
        self.stdin: IO[bytes] = self._popen.stdin
        self.stdout: IO[bytes] = self._popen.stdout
        self.stderr: IO[bytes] = self._popen.stderr

    def watch(self) -> None:
        """Begin to wait for the end."""
        try:
            self._pidfd = os.pidfd_open(self.pid)
        except (AttributeError, OSError):  # not Linux, or a kernel before 5.3
            self._pidfd = -1
            threading.Thread(
                target=self._wait, name=f"pytest-peer-wait-{self.pid}", daemon=True
            ).start()
        else:
            watcher.add(self._pidfd, self._ended)

    def _wait(self) -> None:
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        self._ended()

    def _ended(self) -> None:
        # The group is killed before its leader is reaped: until then the number cannot belong to anybody else.
        self.signal_group(signal.SIGKILL)
        descendants.kill(self._escaped)
        with self._reaping:
            self.exit_status = ExitStatus.from_returncode(self._popen.wait())
            self._on_exit()
            self.exited.set()
        if self._pidfd >= 0:
            watcher.remove(self._pidfd)
            os.close(self._pidfd)

    def kill_all(self) -> None:
        """Kill the process and what it started, also what has left its group, and return at once."""
        self.remember_descendants()
        self.signal_group(signal.SIGKILL)

    def remember_descendants(self) -> None:
        """Before an orderly end: those outside of the group cannot be found any more when their ancestor is gone."""
        self._escaped += descendants.outside_group(self.pid) if not self.exited.is_set() else []

    def signal(self, number: int, pid: int | None = None) -> None:
        """Send a signal to `pid`, if it belongs to this session, else to the process itself."""
        with self._reaping:
            if not self.exited.is_set():
                os.kill(pid if pid is not None and self._owns(pid) else self.pid, number)

    def _owns(self, pid: int) -> bool:
        try:
            return os.getsid(pid) == self.pid
        except ProcessLookupError:
            return False

    def signal_group(self, number: int) -> None:
        """Send a signal to the process and to all that it started and that has not left its group."""
        with self._reaping:
            if self.exited.is_set():
                return
            try:
                os.killpg(self.pid, number)
            except (ProcessLookupError, PermissionError):  # macOS: EPERM when only zombies are left
                pass

    def disown(self) -> None:
        """In a forked child: this process cannot signal it any more."""
        self._reaping = threading.Lock()
        self.exited = threading.Event()
        self.exited.set()
        self._popen.returncode = 0  # else its finalizer would complain of a process that still runs

    def wait_stopped(self, seconds: float) -> bool:
        """After SIGSTOP: wait until all its threads have stopped."""
        deadline = time.monotonic() + seconds
        while not self.exited.is_set():
            try:
                if os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOHANG | os.WNOWAIT):
                    return True
            except ChildProcessError:
                return False
            if time.monotonic() > deadline:
                return False
            threading.Event().wait(_GROUP_POLL)
        return False

    def wait_group_gone(self, seconds: float) -> bool:
        """Wait until nothing that belonged to the group runs any more."""
        deadline = time.monotonic() + seconds
        escaped, self._escaped = self._escaped, []
        descendants.wait_gone(escaped, seconds)
        while self._group_runs():
            if time.monotonic() > deadline:
                return False
            threading.Event().wait(_GROUP_POLL)
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


def _spawn(command: Command, keep_fds: Sequence[int]) -> subprocess.Popen[bytes]:
    try:
        # A session of its own: Ctrl-C in the terminal reaches the origin only, and one signal reaches all descendants.
        return subprocess.Popen(
            command.argv,
            bufsize=0,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=command.env,
            cwd=command.cwd,
            pass_fds=keep_fds,
            start_new_session=True,
        )
    except OSError as exc:
        raise ExecNotFound(
            f"cannot run {command.argv[0]!r}: {exc.strerror or exc}", argv=command.argv
        ) from None
