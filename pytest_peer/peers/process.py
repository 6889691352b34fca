"""The process of a peer with everything that belongs to it: streams, interpreter, link."""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..core.clock import now
from ..core.loop import loop
from ..core.options import PeerOptions
from ..core.states import ExitStatus
from ..core.sync import Event
from ..evidence.stdio import DetachedStreams, StandardStreams
from ..launch import procfs
from ..launch.connection import Connection, LinkClosed, Pipes
from ..launch.process import Child, Process
from ..launch.relay.process import ControlSocket, RelayedProcess
from ..launch.starter import ProcessStarter
from ..link.gateway import Link
from ..link.interpreter import Interpreter, Unusable
from ..link.protocol.messages import Payload

__tracebackhide__ = True


class PeerProcess:
    """One process; first `start` it, then `connect` to it. Both are for the boot thread.

    :param on_exit: Called on the event loop when the process has ended.
    """

    streams: StandardStreams

    def __init__(self, options: PeerOptions, on_exit: Callable[[], object]) -> None:
        self._options = options
        self._on_exit = on_exit
        self._connection: Connection
        self._process: Process
        self._starter: ProcessStarter | None = None
        self._evidence: dict[str, Any] = {}
        #: Whether there is a process, or was.
        self.started: bool = False
        self.interpreter: Interpreter | None = None
        self.link: Link | None = None
        #: What is wrong with what answered, if that is why there is no link.
        self.unusable: str | None = None
        #: As ``time.time``.
        self.start_time: float = now()
        #: The directory in which the process starts.
        self.cwd: str = options.cwd or os.getcwd()

    def start(self, directory: Path, evidence: dict[str, Any]) -> None:
        """Start the process.

        :param directory: The directory of its artifacts.
        :param evidence: The agent's configuration of fault dumps.
        :raises ExecNotFound: There is no such program.
        :raises BootError: The fork server could not make it.
        :raises ValueError: The option ``start_method`` asks for what cannot be.
        """
        self._evidence = evidence
        starter = self._starter = ProcessStarter(self._options, evidence)
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            connection = self._connection = _connection(self._options)
            ours.callback(connection.free)
            ours.callback(connection.close)
            theirs.callback(connection.close_peer_ends)
            make = DetachedStreams if self._options.detached else StandardStreams
            streams = self.streams = make(directory)
            ours.callback(streams.close)
            theirs.callback(streams.close_theirs)
            self.start_time = now()
            if starter.control is not None:
                ours.callback(starter.control.close)
                theirs.callback(starter.control.close_theirs)
            child = starter.child(connection, streams.theirs)
            self.interpreter = starter.interpreter
            self._process = self._made(child)
            self._process.watch()
            ours.callback(partial(loop.call, self._process.kill_all))
            streams.open()
            self.started = True
            ours.pop_all()  # all of it is started

    def _made(self, child: Child) -> Process:
        if self._control is None:
            return Process(child, self._on_exit)
        return RelayedProcess(child, self._on_exit, self._control)

    @property
    def _control(self) -> ControlSocket | None:
        return self._starter.control if self._starter is not None else None

    @property
    def argv(self) -> list[str]:
        """The command line as the user has asked for it; empty before there is one."""
        return self._starter.argv if self._starter is not None else []

    def connect(
        self, on_message: Callable[[int, int, Payload], object], on_end: Callable[[], object]
    ) -> Link | None:
        """Shake hands and make the link, which does not listen yet; ``None`` if that failed."""
        try:
            if self.interpreter is None:  # a forked one is known
                self.interpreter = self._connection.hello(self._process.exited)
                assert self._starter is not None
                if self._control is not None:
                    self._control.listen()
                    self.interpreter = replace(self.interpreter, elsewhere=self.elsewhere)
                self._process.interpreter = self.interpreter.pid
                self._connection.send_agent(
                    self.interpreter, self._options.name, self._evidence, self._starter.lifeline
                )
            self.link = Link(
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
        return self.link

    @property
    def exited(self) -> Event:
        """Set when the process has ended and was reaped."""
        return self._process.exited

    @property
    def exit_status(self) -> ExitStatus | None:
        """How the process has ended; ``None`` before, and if that is unknown."""
        return self._process.exit_status if self.started else None

    @property
    def status_lost(self) -> str:
        """Why nothing is known of its exit status; empty otherwise."""
        return self._process.child.status_lost

    def wait_rest_gone(self, seconds: float) -> None:
        """Wait, after the end of the process, until what was killed with it is gone."""
        self._process.wait_group_gone(seconds)

    def close(self) -> None:
        """Read the last output, and close everything but the link."""
        self.streams.close()
        self._connection.free()

    def facts(self) -> dict[str, Any]:
        """Return what the manifest says of it."""
        assert self._starter is not None
        choice, control = self._starter.choice, self._control
        return {
            "argv": self.argv,
            "start_method": choice.start_method,
            "start_method_reason": choice.reason,
            "cwd": self.cwd,
            "python": str(self.interpreter) if self.interpreter else None,
            "pid": self.interpreter.pid if self.interpreter else None,
            "launcher_pid": self._process.pid if self.started else None,
            "started": self.start_time,
            **(control.facts if control is not None else {}),
        }

    def disown(self, null_fd: int) -> None:
        """Let go of all descriptors, in a forked child, without closing what the parent uses."""
        if self.started:
            self._process.disown()
            self.streams.disown(null_fd)
        if self.link is not None:
            self.link.stream.disown(null_fd)
            self.link = None

    @property
    def pid(self) -> int | None:
        """The process id of the interpreter, or of the launcher before that is known."""
        if self.interpreter is not None:
            return self.interpreter.pid
        return self._process.pid if self.started else None

    @property
    def elsewhere(self) -> bool:
        """Whether its process id is a number of another machine, or a container."""
        return self._control is not None and not self._control.same_machine

    def local_pid(self) -> int | None:
        """Return `pid` while it runs, if it is one of this machine and not of a container."""
        pid = self.pid
        if pid is None or self.elsewhere or self._process.exited.is_set():
            return None
        return pid if procfs.descends(pid, self._process.pid) else None

    def kernel_state(self) -> str:
        """Return what the kernel says about the process; empty if that is unknown."""
        status = procfs.of_process(self._process.pid) if self.started else None
        return str(status or "")

    def ends(self) -> bool:
        """Return whether the process is ending, and its parent is slow to report how."""
        return procfs.ends(self._process.pid)

    def signal(self, number: int) -> None:
        """Send a signal to the interpreter, also when a launcher is its parent."""
        if self.started and not self._process.exited.is_set():
            loop.call(partial(self._process.signal, number))

    def pause(self, seconds: float) -> None:
        """Stop the process and what it started, and wait so long until it has stopped."""
        if self.started and not self._process.exited.is_set():
            loop.call(partial(self._process.signal_group, signal.SIGSTOP))
            self._process.wait_stopped(seconds)

    def resume(self) -> None:
        """Let all that `pause` stopped go on."""
        if self.started and not self._process.exited.is_set():
            loop.call(partial(self._process.signal_group, signal.SIGCONT))

    def remember_descendants(self) -> None:
        """Note, before an orderly end, the descendants that could not be found after it."""
        self._process.remember_descendants()

    def cut_link(self) -> None:
        """Close our end of the link, which the peer notices."""
        if self.link is not None:
            self.link.stream.close_write()

    def kill(self) -> None:
        """Kill the process and all that it started, on the event loop, and return at once."""
        if self.started:
            self._process.kill_all()


def _connection(options: PeerOptions) -> Connection:
    if options.address is None:
        return Pipes()
    # Not at the top: its imports take milliseconds, and most suites never need it.
    from ..launch.tcp import Tcp

    return Tcp(options.address, options.name)
