"""A process that is the local end of a relay: signals for it go to the peer at the remote end."""

from __future__ import annotations

import ast
import contextlib
import dataclasses
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ...core.loop import Timer, loop
from ...core.options import PeerOptions
from ...core.sync import Event
from .. import procfs
from ..command import Command
from ..process import Child, Process
from .frames import GROUP

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
        self._ours.setblocking(False)
        self._heard = b""
        self._changed = Event()  # set when the local end has ended
        #: How many pauses were asked for, and how many were reported.
        self._pauses = self._paused = 0
        #: What the remote end reports of its peer: pid, cwd, launcher_pid; empty before that.
        self.facts: dict[str, Any] = {}
        #: Whether the pid is one of this machine.
        self.same_machine: bool = False

    @property
    def theirs(self) -> int:
        """The descriptor for the local end."""
        return self._theirs.fileno()

    def close_theirs(self) -> None:
        """After the process has inherited the other end, close it and begin to listen."""
        self._theirs.close()
        loop.add(self._ours.fileno(), self._listen)

    def close(self) -> None:
        """Close both ends."""
        if self._ours.fileno() >= 0:
            loop.remove(self._ours.fileno())
        self._ours.close()
        self._theirs.close()
        self._changed.set()

    def signal(self, number: int, *, group: bool) -> None:
        """Send a signal to the peer, or to its group."""
        self._pauses += group and number == signal.SIGSTOP
        with contextlib.suppress(OSError):  # it has ended
            self._ours.send(bytes([number | GROUP if group else number]))

    def wait_stopped(self, seconds: float) -> bool:
        """After a SIGSTOP for the group, wait for it; return whether all have stopped in time."""
        self._changed.wait_for(
            lambda: self._changed.is_set() or self._paused >= self._pauses, seconds
        )
        return self._paused >= self._pauses

    def listen(self) -> None:
        """Read what has come until now."""
        loop.call(self._listen)

    def _listen(self) -> None:
        try:
            data = self._ours.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            pid, _, facts = line.partition(b" ")
            if not facts:
                self._paused += 1
                self._changed.wake()
                continue
            self.facts = ast.literal_eval(facts.decode("ascii"))
            self.facts["launcher_pid"] = int(pid)
            machine = self.facts.pop("machine")
            self.same_machine = machine is not None and machine == procfs.machine()


class RelayedProcess(Process):
    """The process of a peer that is behind a launcher."""

    def __init__(self, child: Child, on_exit: Callable[[], object], control: ControlSocket) -> None:
        super().__init__(child, on_exit)
        self.control: ControlSocket = control
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
        self.control.signal(number, group=False)

    def signal_group(self, number: int) -> None:
        """Send SIGKILL to what runs here, and any other signal to the peer's group."""
        if number == signal.SIGKILL:
            super().signal_group(number)
        else:
            self.control.signal(number, group=True)

    def wait_stopped(self, seconds: float) -> bool:
        return self.control.wait_stopped(seconds)

    def disown(self) -> None:
        super().disown()
        self.control.close()
