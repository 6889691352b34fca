"""A process that is the near end of a relay: what is done to it is meant for the peer at the far end."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import itertools
import os
import select
import shutil
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.clock import monotonic
from ...core.errors import ExecNotFound
from ...core.loop import Timer
from ...core.loop import watcher
from ...core.options import PeerOptions
from ..command import Command
from ..process import Child
from ..process import Process
from .descendants import machine

__tracebackhide__ = True

#: For the far end to have killed its peer, and the launcher to have ended. Then what is here is killed, and the far end sees that.
_KILL_SECONDS = 2.0
#: As a package of its own: ours would import what this never needs.
_PROGRAM = "import sys;sys.path.append({path!r});from relay.local import main;main(sys.argv[1:])"


def local_end(line: Command, options: PeerOptions, read: int, write: int, control: int) -> Command:
    """What makes the near end run `line`.

    :param read: the descriptor on which the peer hears its origin; `write` is the one on which it answers.
    :param control: that of the control socket.
    :raises ExecNotFound: there is no such launcher.
    """
    program = line.argv[0]
    if shutil.which(program, path=line.env.get("PATH")) is None:
        why = "Permission denied" if os.path.exists(program) else "No such file or directory"
        raise ExecNotFound(f"cannot run {program!r}: {why}", argv=line.argv)
    # Nothing that starts with an interpreter of the user's: this is none of the user's.
    code = _PROGRAM.format(path=str(Path(__file__).parent.parent))
    start = [sys.executable, "-S", "-E", "-s", "-c", code]
    numbers = map(str, (read, write, control))
    node = f"{options.name}@{options.host}"  # for who looks at ``ps``
    pulse = "pulse" if line.launcher is not None and line.launcher.silent else ""
    argv = [*start, *numbers, options.cwd or "", pulse, node, *line.argv]
    return dataclasses.replace(line, argv=argv)


class ControlSocket:
    """Both ends of the socket over which the near end is told what to do with its peer."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._lock = threading.Lock()
        self._heard = b""
        self._ours.setblocking(False)
        self._tickets = itertools.count(1)
        self._stopped: set[int] = set()
        #: What the far end has said of its peer: pid, cwd, and the launcher's pid; empty before.
        self.told: dict[str, Any] = {}
        #: Whether the pid is a number of this machine.
        self.local: bool = False

    @property
    def theirs(self) -> int:
        """The descriptor for the near end."""
        return self._theirs.fileno()

    def close_theirs(self) -> None:
        """The near end has got it."""
        self._theirs.close()

    def close(self) -> None:
        """Nobody will use it."""
        self._ours.close()
        self._theirs.close()

    def signal(self, number: int, *, group: bool) -> int:
        """Send a signal to the peer; returned is a ticket for `wait_stopped`."""
        ticket = next(self._tickets)
        with contextlib.suppress(OSError):  # it has ended
            self._ours.send(b"%d %d %d\n" % (number, group, ticket))
        return ticket

    def wait_stopped(self, ticket: int, deadline: float) -> bool:
        """After a SIGSTOP: wait until the peer has stopped."""
        while True:
            ended = not self.listen()
            if ticket in self._stopped:
                return True
            left = deadline - monotonic()
            if ended or left <= 0:
                return False
            with contextlib.suppress(ValueError):  # closed just now
                poll = select.poll()
                poll.register(self._ours, select.POLLIN)
                poll.poll(left * 1000)

    def listen(self) -> bool:
        """Take what has been said until now; returned is whether there may be more."""
        with self._lock:
            while True:
                try:
                    data = self._ours.recv(1 << 16)
                except BlockingIOError:
                    return True
                except OSError:
                    return False
                if not data:
                    return False
                *lines, self._heard = (self._heard + data).split(b"\n")
                for line in lines:
                    self._take(line)

    def _take(self, line: bytes) -> None:
        number, _, facts = line.partition(b" ")
        if not facts:
            self._stopped.add(int(number))
            return
        self.told = ast.literal_eval(facts.decode("ascii"))
        self.told["launcher_pid"] = int(number)
        where = self.told.pop("machine")
        self.local = where is not None and where == machine()


class RelayedProcess(Process):
    """The process of a peer that is behind a launcher."""

    def __init__(self, child: Child, on_exit: Callable[[], object], control: ControlSocket) -> None:
        super().__init__(child, on_exit)
        self.control: ControlSocket = control
        self._ticket = 0
        self._timer: Timer | None = None

    def _ended(self) -> None:
        super()._ended()
        if self._timer is not None:
            watcher.cancel(self._timer)
        self.control.close()

    def kill_all(self) -> None:
        """Have the far end kill the peer and what it started, and return at once; if that takes too long, kill what is here."""
        if self.exited.is_set():
            return
        self.remember_descendants()
        self.control.signal(signal.SIGKILL, group=True)
        if self._timer is None:
            self._timer = watcher.call_later(_KILL_SECONDS, super().kill_all)

    def signal(self, number: int, pid: int | None = None) -> None:  # noqa: ARG002 - there is but one over there
        """Send a signal to the peer."""
        self.control.signal(number, group=False)

    def signal_group(self, number: int) -> None:
        """SIGKILL is for what is here, any other for the peer and all that it started and that has not left its group."""
        if number == signal.SIGKILL:
            super().signal_group(number)
        else:
            self._ticket = self.control.signal(number, group=True)

    def wait_stopped(self, seconds: float) -> bool:
        """After SIGSTOP: wait until the peer has stopped."""
        return self.control.wait_stopped(self._ticket, monotonic() + seconds)

    def disown(self) -> None:
        """In a forked child: this process cannot signal it any more."""
        super().disown()
        self.control.close()
