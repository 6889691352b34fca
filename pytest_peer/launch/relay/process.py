"""A process that is the local end of a relay: signals for it go to the peer at the remote end."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import itertools
import select
import signal
import socket
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.clock import monotonic
from ...core.loop import Timer, loop
from ...core.options import PeerOptions
from .. import procfs
from ..command import Command
from ..process import Child, Process

__tracebackhide__ = True

#: Seconds for the remote end to kill the peer and for the launcher to end. Then what runs here
#: is killed, which the remote end notices.
_KILL_SECONDS = 2.0
#: As a package of its own: importing ours would import what this never needs.
_PROGRAM = "import sys;sys.path.append({path!r});from relay.local import main;main(sys.argv[1:])"


def local_end(line: Command, options: PeerOptions, read: int, write: int, control: int) -> Command:
    """Return the command that makes the local end run `line`.

    :param read: the descriptor from which the peer reads its link.
    :param write: the descriptor to which it writes.
    :param control: the descriptor of the control socket.
    """
    # Without what the user has installed to run in every interpreter.
    code = _PROGRAM.format(path=str(Path(__file__).parent.parent))
    start = [sys.executable, "-S", "-E", "-s", "-c", code]
    numbers = map(str, (read, write, control))
    node = f"{options.name}@{options.host}"  # shown by ``ps``
    heartbeat = "heartbeat" if line.launcher is not None and line.launcher.silent else ""
    argv = [*start, *numbers, options.cwd or "", heartbeat, node, *line.argv]
    return dataclasses.replace(line, argv=argv)


class ControlSocket:
    """Both ends of the socket over which the origin controls the local end of a relay."""

    def __init__(self) -> None:
        self._ours, self._theirs = socket.socketpair()
        self._lock = threading.Lock()
        self._heard = b""
        self._ours.setblocking(False)
        self._tickets = itertools.count(1)
        self._stopped: set[int] = set()
        #: What the remote end reports of its peer: pid, cwd, launcher_pid; empty before that.
        self.facts: dict[str, Any] = {}
        #: Whether the pid is one of this machine.
        self.same_machine: bool = False

    @property
    def theirs(self) -> int:
        """The descriptor for the local end."""
        return self._theirs.fileno()

    def close_theirs(self) -> None:
        """Close the other end, after the process has inherited it."""
        self._theirs.close()

    def close(self) -> None:
        """Close both ends."""
        self._ours.close()
        self._theirs.close()

    def signal(self, number: int, *, group: bool) -> int:
        """Send a signal to the peer; return a ticket for `wait_stopped`."""
        ticket = next(self._tickets)
        with contextlib.suppress(OSError):  # it has ended
            self._ours.send(b"%d %d %d\n" % (number, group, ticket))
        return ticket

    def wait_stopped(self, ticket: int, deadline: float) -> bool:
        """After a SIGSTOP, wait until the peer has stopped; return whether it has in time."""
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
        """Read what has come until now; return whether there may be more."""
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
        self.facts = ast.literal_eval(facts.decode("ascii"))
        self.facts["launcher_pid"] = int(number)
        machine = self.facts.pop("machine")
        self.same_machine = machine is not None and machine == procfs.machine()


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
            loop.cancel(self._timer)
        self.control.close()

    def kill_all(self) -> None:
        """Have the remote end kill the peer and what it started, and return at once.

        If that takes too long, what runs here is killed.
        """
        if self.exited.is_set():
            return
        self.remember_descendants()
        self.control.signal(signal.SIGKILL, group=True)
        if self._timer is None:
            self._timer = loop.call_later(_KILL_SECONDS, super().kill_all)

    def signal(self, number: int) -> None:
        """Send a signal to the peer."""
        self.control.signal(number, group=False)

    def signal_group(self, number: int) -> None:
        """Send SIGKILL to what runs here, and any other signal to the peer's group."""
        if number == signal.SIGKILL:
            super().signal_group(number)
        else:
            self._ticket = self.control.signal(number, group=True)

    def wait_stopped(self, seconds: float) -> bool:
        """After SIGSTOP, wait until the peer has stopped; return whether it has in time."""
        return self.control.wait_stopped(self._ticket, monotonic() + seconds)

    def disown(self) -> None:
        """In a forked child, keep the parent's peer from being signalled."""
        super().disown()
        self.control.close()
