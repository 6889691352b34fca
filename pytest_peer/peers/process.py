"""The process of a peer with all that hangs on it: command line, streams, interpreter, link."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core.clock import now
from ..core.options import PeerOptions
from ..core.states import ExitStatus
from ..evidence.stdio import DetachedStreams
from ..evidence.stdio import StandardStreams
from ..launch import procfs
from ..launch.connection import Connection
from ..launch.connection import LinkClosed
from ..launch.connection import Pipes
from ..launch.process import Child
from ..launch.process import Process
from ..launch.relay.process import ControlSocket
from ..launch.relay.process import RelayedProcess
from ..launch.starter import ProcessStarter
from ..link.gateway import Link
from ..link.interpreter import Interpreter
from ..link.interpreter import Unusable
from ..link.protocol.messages import Payload

__tracebackhide__ = True

#: A process that ends closes its link a moment before it can be reaped, or the other way round.
SAME_END = 1.0
#: What was killed is gone in milliseconds. Not if the machine itself hangs: its disk, or the host of a virtual one.
KILLED = 20.0


class PeerProcess:
    """Comes into being step by step: `start`, then `connect`.

    :param on_exit: called by the watcher when the process has ended.
    """

    process: Process
    streams: StandardStreams

    def __init__(self, options: PeerOptions, on_exit: Callable[[], object]) -> None:
        self._options = options
        self._on_exit = on_exit
        self._connection: Connection
        self._birth: ProcessStarter | None = None
        self._evidence: dict[str, Any] = {}
        #: Whether there is a process.
        self.born: bool = False
        self.interpreter: Interpreter | None = None
        self.link: Link | None = None
        #: What is wrong with what answered, if that is why there is no link.
        self.unusable: str | None = None
        self.started: float = now()
        #: Where a process without the option ``cwd`` starts.
        self.inherited_cwd: str = os.getcwd()

    def start(self, directory: Path, evidence: dict[str, Any]) -> None:
        """Start the process.

        :param directory: where its output is logged.
        :param evidence: for the agent's module `evidence`.
        :raises ExecNotFound: there is no such program.
        :raises BootError: the fork server could not make it.
        :raises ValueError: the option ``start_method`` asks for what cannot be.
        """
        self._evidence = evidence
        birth = self._birth = ProcessStarter(self._options, evidence)
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            connection = self._connection = _connection(self._options)
            ours.callback(connection.free)
            ours.callback(connection.close)
            theirs.callback(connection.close_peer_ends)
            make = DetachedStreams if self._options.detached else StandardStreams
            streams = self.streams = make(directory)
            ours.callback(streams.close)
            theirs.callback(streams.close_theirs)
            self.started = now()
            theirs.callback(birth.close_theirs)
            ours.callback(birth.close_control)
            child = birth.child(connection, streams.theirs)
            self.interpreter = birth.interpreter
            self.process = self._process(child)
            self.process.watch()
            ours.callback(self.process.kill_all)
            streams.open()
            self.born = True
            ours.pop_all()  # all went well

    def _process(self, child: Child) -> Process:
        if self._control is None:
            return Process(child, self._on_exit)
        return RelayedProcess(child, self._on_exit, self._control)

    @property
    def _control(self) -> ControlSocket | None:
        return self._birth.control if self._birth is not None else None

    @property
    def argv(self) -> list[str]:
        """The command line as the user has asked for it; empty before there is one."""
        return self._birth.argv if self._birth is not None else []

    def connect(
        self, on_message: Callable[[int, int, Payload], object], on_end: Callable[[], object]
    ) -> bool:
        """Shake hands and put a link on the connection; return whether that went well. If not, the process has ended, or is killed."""
        try:
            if self.interpreter is None:  # it is not forked: nobody knows yet what it is
                self.interpreter = self._connection.hello(self.process.exited)
                assert self._birth is not None
                if self._control is not None:
                    self._control.listen()
                    self.interpreter = replace(self.interpreter, elsewhere=self.elsewhere)
                self.process.interpreter = self.interpreter.pid
                self._connection.send_agent(
                    self.interpreter, self._options.name, self._evidence, self._birth.lifeline
                )
            link = Link(
                *self._connection.hand_over(),
                self._options.name,
                on_message,
                on_end,
                self.streams.drain,
                self.streams.descriptors,
            )
        except (LinkClosed, Unusable, OSError) as exc:
            self.unusable = str(exc) if isinstance(exc, Unusable) else None
            self._connection.close()
            # Something may have closed the descriptors without being at its end, as sudo does: it is no use to us.
            if isinstance(exc, Unusable) or not self.process.exited.wait(SAME_END):
                self.kill()
            return False
        self.link = link
        link.listen()
        return True

    @property
    def status_lost(self) -> str:
        """Why nothing is known of its exit status; empty otherwise."""
        return self.process.status_lost

    def close(self) -> None:
        """After the end of the process: take what is left of its output, and free what it had."""
        self.streams.close()
        self._connection.free()

    def facts(self) -> dict[str, Any]:
        """What the manifest says of it."""
        assert self._birth is not None
        choice, control = self._birth.choice, self._control
        return {
            "argv": self.argv,
            "start_method": choice.start_method,
            "start_method_reason": choice.reason,
            "cwd": self.cwd,
            "python": str(self.interpreter) if self.interpreter else None,
            "pid": self.interpreter.pid if self.interpreter else None,
            "launcher_pid": self.process.pid if self.born else None,
            "started": self.started,
            **(control.facts if control is not None else {}),
        }

    @property
    def cwd(self) -> str:
        """Where the process starts."""
        return self._options.cwd or self.inherited_cwd

    def disown(self, null_fd: int) -> None:
        """In a forked child: the process is the parent's. Let go of all descriptors without closing what the parent uses."""
        if self.born:
            self.process.disown()
            self.streams.disown(null_fd)
        if self.link is not None:
            self.link.disown(null_fd)
            self.link = None

    @property
    def pid(self) -> int | None:
        """The interpreter's, or that of what was started to launch it."""
        if self.interpreter is not None:
            return self.interpreter.pid
        return self.process.pid if self.born else None

    @property
    def elsewhere(self) -> bool:
        """Whether its process id is a number of another machine, or a container."""
        return self._control is not None and not self._control.same_machine

    def local_pid(self) -> int | None:
        """`pid`, while it runs, if that is a number of this machine: not in a container, nor behind ssh."""
        pid = self.pid
        if pid is None or self.elsewhere or self.process.exited.is_set():
            return None
        return pid if procfs.descends(pid, self.process.pid) else None

    def process_state(self) -> str:
        """What the kernel says of the process, in words; empty if there is none, or no way to know."""
        status = procfs.of_process(self.process.pid) if self.born else None
        return str(status or "")

    def signal(self, number: int) -> None:
        """Send a signal to the interpreter, also when a launcher is between."""
        if self.born:
            self.process.signal(number)

    def signal_all(self, number: int) -> None:
        """Send a signal to the process and all that it started."""
        if self.born:
            self.process.signal_group(number)

    def end_without_link(self) -> ExitStatus | None:
        """The link has ended: how the process has, too; ``None`` if it lived on and had to be killed, or if nobody knows."""
        process = self.process
        ended = process.exited.wait(SAME_END)
        if not ended:
            ended = procfs.ends(process.pid)  # and its parent is slow to tell how
            self.kill()
            process.exited.wait(KILLED)
        status = process.exit_status if ended else None
        if status is None:
            self.kill()  # what it has started lives on
        return status

    def kill(self) -> None:
        """Kill the process and all that it started, and return at once."""
        if self.born:
            self.process.kill_all()


def _connection(options: PeerOptions) -> Connection:
    if options.address is None:
        return Pipes()
    from ..launch.tcp import (
        Tcp,
    )  # not at the top: with what it needs that takes milliseconds, and most suites never do

    return Tcp(options.address, options.name)
