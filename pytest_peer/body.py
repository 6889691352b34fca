"""The process of a peer with all that hangs on it: command line, streams, interpreter, link."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .errors import BootError
from .errors import BootTimeout
from .evidence.streams import StandardStreams
from .forkservers import Choice
from .forkservers import choose
from .forkservers import execute
from .forkservers import fork
from .launch import lifeline
from .launch import process_status
from .launch.command import LIFELINE_NUMBER
from .launch.command import LINK_NUMBERS
from .launch.command import Command
from .launch.command import command
from .launch.forked import NotForked
from .launch.pipes import StandardPipes
from .launch.process import Child
from .launch.process import Process
from .launch.spawned import Spawned
from .link.connection import LinkClosed
from .link.connection import Pipes
from .link.gateway import Link
from .link.interpreter import Interpreter
from .link.interpreter import Unusable
from .link.segments import Payload
from .options import PeerOptions
from .start_methods import SPAWN
from .states import ExitStatus
from .unpatched import now

__tracebackhide__ = True  # a report shows the test and the peer, not what is between

#: A process that ends closes its link a moment before it can be reaped, or the other way round.
SAME_END = 1.0
#: What was killed is gone in milliseconds. Not if the machine itself hangs: its disk, or the host of a virtual one.
KILLED = 20.0


class Body:
    """Comes into being step by step: `start`, then `connect`.

    :param on_exit: called by the watcher when the process has ended.
    """

    choice: Choice
    process: Process
    streams: StandardStreams

    def __init__(self, options: PeerOptions, on_exit: Callable[[], object]) -> None:
        self._options = options
        self._on_exit = on_exit
        self._pipes: Pipes
        self._lifeline = -1
        self.argv: list[str] = []
        #: Whether there is a process.
        self.born: bool = False
        self.interpreter: Interpreter | None = None
        self.link: Link | None = None
        self._evidence: dict[str, Any] = {}
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
        self.choice = choose(self._options)
        self._evidence = evidence
        with contextlib.ExitStack() as ours, contextlib.ExitStack() as theirs:
            pipes = self._pipes = Pipes()
            ours.callback(pipes.close)
            theirs.callback(pipes.close_peer_ends)
            standard = StandardPipes()
            ours.callback(standard.close)
            theirs.callback(standard.close_theirs)
            self.started = now()
            self.process = Process(self._made(pipes, standard), self._on_exit)
            self.process.watch()
            ours.callback(self.process.kill_all)
            self.streams = StandardStreams(*standard.ours, directory)
            self.born = True
            ours.pop_all()  # all went well

    def _made(self, pipes: Pipes, standard: StandardPipes, *, again: bool = False) -> Child:
        descriptors = (*standard.theirs, pipes.peer_read, pipes.peer_write)
        if self.choice.server is None:
            return self._spawned(pipes, descriptors)
        try:
            if self.choice.start_method == SPAWN:
                return self._executed(pipes, descriptors)
            self.argv = [*self.choice.server.argv, f"{self._options.name}@{self._options.host}"]
            child, self.interpreter = fork(self.choice, self._options, descriptors, self._evidence)
            return child
        except NotForked as exc:
            unfit = self.choice.server.unfit and self.choice.start_method == SPAWN
            if unfit or (exc.lost and not again):
                self.choice = choose(self._options)  # with another server, or none
                return self._made(pipes, standard, again=True)
            error = BootTimeout if exc.late else BootError
            raise error(
                f"peer {self._options.name!r} did not boot: {exc}", argv=self.argv
            ) from None

    def _executed(self, pipes: Pipes, descriptors: Sequence[int]) -> Child:
        line = self._line(*LINK_NUMBERS)
        self._lifeline = LIFELINE_NUMBER
        child = execute(self.choice, self._options, line, descriptors)
        pipes.send_loader()
        return child

    def _spawned(self, pipes: Pipes, descriptors: Sequence[int]) -> Child:
        *standard, read, write = descriptors
        line = self._line(read, write)
        self._lifeline = end = lifeline.open_end()
        with lifeline.closing(end):
            keep = [fd for fd in (read, write, end) if fd >= 0]
            child = Spawned(line, standard, keep)
            lifeline.tie(end, child.pid)
        pipes.send_loader()
        return child

    def _line(self, read: int, write: int) -> Command:
        line = command(self._options, os.environ, read, write)
        self.argv = line.argv
        return line

    def connect(
        self, on_message: Callable[[int, int, Payload], object], on_end: Callable[[], object]
    ) -> bool:
        """Shake hands and put a link on the pipes; return whether that went well. If not, the process has ended, or is killed."""
        try:
            if self.interpreter is None:  # it is not forked: nobody knows yet what it is
                self.interpreter = self._pipes.hello(self.process.exited)
                self._pipes.send_agent(
                    self.interpreter, self._options.name, self._evidence, self._lifeline
                )
            link = Link(
                *self._pipes.hand_over(),
                self._options.name,
                on_message,
                on_end,
                self.streams.drain,
                self.streams.descriptors,
            )
        except (LinkClosed, Unusable, OSError) as exc:
            self.unusable = str(exc) if isinstance(exc, Unusable) else None
            self._pipes.close()
            # Something may have closed the descriptors without being at its end, as sudo does: it is no use to us.
            if isinstance(exc, Unusable) or not self.process.exited.wait(SAME_END):
                self.kill()
            return False
        self.link = link
        link.listen()
        return True

    def facts(self) -> dict[str, Any]:
        """What the manifest says of it."""
        return {
            "argv": self.argv,
            "start_method": self.choice.start_method,
            "start_method_reason": self.choice.reason,
            "cwd": self.cwd,
            "python": str(self.interpreter) if self.interpreter else None,
            "pid": self.interpreter.pid if self.interpreter else None,
            "launcher_pid": self.process.pid if self.born else None,
            "started": self.started,
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

    def local_pid(self) -> int | None:
        """`pid`, while it runs, if that is a number of this machine: not in a container, nor behind ssh."""
        pid = self.pid
        if pid is None or self.process.exited.is_set():
            return None
        return pid if process_status.descends(pid, self.process.pid) else None

    def signal(self, number: int) -> None:
        """Send a signal to the interpreter, also when a launcher is between."""
        if self.born:
            self.process.signal(number, self.pid)

    def signal_all(self, number: int) -> None:
        """Send a signal to the process and all that it started."""
        if self.born:
            self.process.signal_group(number)

    def end_without_link(self) -> ExitStatus | None:
        """The link has ended: how the process has, too; ``None`` if it lived on and had to be killed, or if nobody knows."""
        process = self.process
        ended = process.exited.wait(SAME_END)
        if not ended:
            ended = process_status.ends(process.pid)  # and its parent is slow to tell how
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
