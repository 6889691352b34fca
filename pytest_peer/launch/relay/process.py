"""A process that is the local end of a relay: signals for it go to the peer at the remote end."""

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
from ...link.interpreter import literal
from .. import procfs
from ..command import Command
from ..process import Child, Process
from .frames import GROUP

#: Seconds for the remote end to kill the peer. Then what runs here is killed, which it notices.
_KILL_SECONDS = 2.0


def local_end(line: Command, options: PeerOptions, read: int, write: int, control: int) -> Command:
    """Return the command that makes the local end run `line`, with these descriptors."""
    # A package of its own: importing ours would import what this never needs. And without what the
    # user has installed to run in every interpreter.
    path = str(Path(__file__).parent.parent)
    code = f"import sys;sys.path.append({path!r});from relay.local import main;main(sys.argv[1:])"
    start = [sys.executable, "-S", "-E", "-s", "-c", code]
    numbers = map(str, (read, write, control))
    node = f"{options.name}@{options.host}"  # for ``ps``
    heartbeat = "heartbeat" if line.launcher is not None and line.launcher.silent else ""
    argv = [*start, *numbers, options.cwd or "", heartbeat, node, *line.argv]
    return dataclasses.replace(line, argv=argv)


class ControlSocket:
    """Both ends of the socket over which the origin controls the local end of a relay."""

    def __init__(self) -> None:
        self._ours, theirs = socket.socketpair()
        self.theirs: socket.socket = theirs
        self._ours.setblocking(False)
        self._heard = b""
        #: Set when the local end has ended, and woken when `stopping` changes.
        self.changed: Event = Event()
        #: How many times the remote end has been asked to stop the peer, and has not done it yet.
        self.stopping: int = 0
        #: What the remote end reports of its peer: pid, cwd, launcher_pid; empty before that.
        self.facts: dict[str, Any] = {}
        #: Whether the pid is one of this machine.
        self.same_machine: bool = False

    def begin(self) -> None:
        loop.add(self._ours.fileno(), self.listen)

    def close(self) -> None:
        if self._ours.fileno() >= 0:
            loop.remove(self._ours.fileno())
        self._ours.close()
        self.theirs.close()
        self.changed.set()

    def send(self, number: int) -> None:
        """Send a signal to the peer, or with `GROUP` added to the peer's group."""
        with contextlib.suppress(OSError):  # it has ended
            self._ours.send(bytes([number]))

    def listen(self) -> None:
        """Read what has come until now, on the event loop."""
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
                self.stopping -= 1
                self.changed.wake()
                continue
            self.facts = literal(facts)
            self.facts["launcher_pid"] = int(pid)
            machine = self.facts.pop("machine")
            self.same_machine = machine is not None and machine == procfs.machine()


class RelayedProcess(Process):
    """The process of a peer that is behind a launcher."""

    def __init__(self, child: Child, on_exit: Callable[[], object], control: ControlSocket) -> None:
        super().__init__(child, on_exit)
        self._control = control
        self._timers: list[Timer] = []
        control.begin()  # before anything watches the process, whose end closes it

    def _ended(self) -> None:
        super()._ended()
        loop.cancel(*self._timers)
        self._control.close()

    def kill_all(self) -> None:
        """Have the remote end kill all, and return at once; later, kill what runs here."""
        if self.exited.is_set():
            return
        self.remember_descendants()
        self._control.send(signal.SIGKILL)
        if not self._timers:
            self._timers.append(loop.call_later(_KILL_SECONDS, super().kill_all))

    def signal(self, number: int) -> None:
        self._control.send(number)

    def signal_group(self, number: int) -> None:
        """Send SIGKILL to what runs here, and any other signal to the peer's group."""
        if number == signal.SIGKILL:
            super().signal_group(number)
        else:
            self._control.stopping += number == signal.SIGSTOP
            self._control.send(number | GROUP)

    def wait_stopped(self, seconds: float) -> bool:
        changed = self._control.changed
        changed.wait_for(lambda: changed.is_set() or self._control.stopping <= 0, seconds)
        return self._control.stopping <= 0
