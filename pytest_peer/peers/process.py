"""The process of a peer with everything that belongs to it: streams, interpreter, link."""

import contextlib
import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from signal import SIGCONT, SIGSTOP
from typing import Any

from ..core.clock import now
from ..core.down_reason import ExitStatus
from ..core.loop import loop
from ..core.options import PeerOptions
from ..core.worker import run_all
from ..evidence.standard_streams import StandardStreams
from ..launch import procfs
from ..launch.connection import Connection, LinkClosed, Pipes
from ..launch.process import Process
from ..launch.relay.process import RelayedProcess
from ..launch.starter import ProcessStarter
from ..link.gateway import Link
from ..link.interpreter import Interpreter, Unusable
from ..link.protocol.messages import Payload

#: Seconds for which `pause` waits until the process has stopped; microseconds mostly.
_PAUSE_SECONDS = 1.0
_REST_GONE_SECONDS = 1.0  # for what was killed with a process; milliseconds mostly


class PeerProcess:
    """One process; first `start` it, then `connect` to it. Both are for the boot thread."""

    #: All of these are there once it is `started`.
    streams: StandardStreams
    os_process: Process
    starter: ProcessStarter
    _connection: Connection

    def __init__(
        self,
        options: PeerOptions,
        on_exit: Callable[[], object],
        held: Callable[[], bool],
        place: Callable[[PeerOptions], Mapping[str, Any]] = lambda _: {},
    ) -> None:
        self._options = options
        self._place = place
        self._on_exit = on_exit
        self._held = held
        self.started: bool = False  # there is a process, or was
        self.interpreter: Interpreter | None = None
        self.link: Link | None = None
        #: What is wrong with what answered, if that is why there is no link.
        self.unusable: str | None = None
        self._paused = False
        self.start_time: float = now()
        self.cwd: str = options.cwd or os.getcwd()

    def start(self, directory: Path, evidence: dict[str, Any]) -> None:
        """Start the process; `evidence` is the agent's configuration of fault dumps."""
        starter = self.starter = ProcessStarter(
            self._options, evidence, directory, self._place(self._options)
        )
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            if starter.control is not None:
                ours.callback(starter.control.close)
                theirs.callback(starter.control.theirs.close)
            if (address := self._options.address) is None:
                connection: Connection = Pipes()
            else:
                # Not at the top: its imports take milliseconds, and most suites never need it.
                from ..launch.tcp import Tcp

                connection = Tcp(address, self._options.name)
            self._connection = connection
            ours.callback(connection.free)
            ours.callback(connection.close)
            theirs.callback(connection.close_peer_ends)
            streams = self.streams = self._standard_streams(directory)
            ours.callback(streams.close)
            theirs.callback(streams.close_theirs)
            if starter.secret_on_stdin:
                streams.stdin.write(f"{connection.secret}\n")
            self.start_time = now()
            child = starter.child(connection, streams.theirs)
            self.interpreter = starter.interpreter
            if starter.control is None:
                process = Process(child, self._on_exit)
            else:
                process = RelayedProcess(child, self._on_exit, starter.control)
            self.os_process = process
            process.watch()
            ours.callback(partial(loop.call, process.kill_all))
            self.started = True
            ours.pop_all()  # all of it is started

    def _standard_streams(self, directory: Path) -> StandardStreams:
        if self._options.terminal is None:
            return StandardStreams(directory, self._held, detached=self._options.detached)
        from ..evidence.terminal import TerminalStreams  # not at the top: most suites need none

        return TerminalStreams(directory, self._held, self._options.terminal)

    def end_container(self) -> None:
        """End a container in which no agent came up. Else it ends when the link does."""
        if self.interpreter is None and self.started and self.starter.container is not None:
            self.starter.container.end()

    def connect(
        self, on_message: Callable[[int, int, Payload], object], on_end: Callable[[], object]
    ) -> Link | None:
        """Shake hands and make the link, which does not listen yet; ``None`` if that failed."""
        try:
            if self.interpreter is None:  # a forked one is known
                self.interpreter = self._connection.hello(self.os_process.exited)
                if self.starter.control is not None:
                    loop.call(self.starter.control.listen)
                    self.interpreter = replace(self.interpreter, elsewhere=self.elsewhere)
                process = self.os_process
                process.interpreter = self.interpreter.pid
                direct = process.child.has_reaper and process.pid == process.interpreter
                reaps = direct or self.starter.control is not None
                config = self.starter.config(self.interpreter, parent_reaps=reaps)
                self._connection.send_agent(self.interpreter, config)
            self.link = Link(
                *self._connection.hand_over(),
                self._options.name,
                on_message,
                on_end,
                self.streams,
            )
        except (LinkClosed, Unusable, OSError) as exc:
            self.unusable = str(exc) if isinstance(exc, Unusable) else None
            self._connection.close()
        return self.link

    @property
    def exit_status(self) -> ExitStatus | None:
        """How the process has ended; ``None`` before, and if that is unknown."""
        return self.os_process.exit_status if self.started else None

    def close(self) -> None:
        """After its end, read the last output, and close everything but the link."""
        rest_gone = partial(self.os_process.wait_group_gone, _REST_GONE_SECONDS)
        run_all(rest_gone, self.streams.close, self._connection.free)

    def facts(self) -> dict[str, Any]:
        choice, control = self.starter.choice, self.starter.control
        return {
            "argv": self.starter.argv,
            "start_method": choice.start_method,
            "start_method_reason": choice.reason,
            "cwd": self.cwd,
            "python": str(self.interpreter) if self.interpreter else None,
            "pid": self.interpreter.pid if self.interpreter else None,
            "launcher_pid": self.os_process.pid if self.started else None,
            "started": self.start_time,
            **(control.facts if control is not None else {}),
        }

    def disown(self, null_fd: int) -> None:
        """Let go of all descriptors, in a forked child, without closing what the parent uses."""
        if self.started:
            self.os_process.exited.set()  # so it is not signalled
            if self.starter.control is not None:
                self.starter.control.close()
            self.streams.disown(null_fd)
        if self.link is not None:
            self.link.stream.disown(null_fd)
            self.link = None

    @property
    def pid(self) -> int | None:
        """The process id of the interpreter, or of the launcher before that is known."""
        if self.interpreter is not None:
            return self.interpreter.pid
        return self.os_process.pid if self.started else None

    @property
    def elsewhere(self) -> bool:
        """Whether its process id is a number of another machine, or a container."""
        control = self.starter.control
        return control is not None and not control.same_machine

    def local_pid(self) -> int | None:
        """Return `pid` while it runs, if it is one of this machine and not of a container."""
        pid = self.pid
        if pid is None or self.elsewhere or self.os_process.exited.is_set():
            return None
        return pid if procfs.descends(pid, self.os_process.pid) else None

    @property
    def paused(self) -> bool:
        """Whether SIGSTOP has stopped it; on another machine, whether that was sent last."""
        status = procfs.of_process(self.local_pid() or 0)
        return self._paused if status is None else status.state == "T"

    def pause(self) -> None:
        """Stop all in its group."""
        self.signal(SIGSTOP, group=True)
        self.os_process.wait_stopped(_PAUSE_SECONDS)

    def resume(self) -> None:
        """Let them go on."""
        self.signal(SIGCONT, group=True)

    def signal(self, number: int, *, group: bool = False) -> None:
        """Send a signal to the interpreter, or to all in its group."""
        if self.started and not self.os_process.exited.is_set():
            self._paused = number == SIGSTOP or (self._paused and number != SIGCONT)
            send = self.os_process.signal_group if group else self.os_process.signal
            loop.call(partial(send, number))
