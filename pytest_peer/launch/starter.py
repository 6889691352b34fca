"""How the process of a peer comes into being: forked, executed or spawned, with its connection and with a relay where it needs one."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from ..core import launchers
from ..core.errors import BootError
from ..core.errors import BootTimeout
from ..core.options import PeerOptions
from ..core.start_methods import SPAWN
from ..link.interpreter import Interpreter
from . import lifeline
from .child import SpawnedChild
from .command import CONTROL_NUMBER
from .command import LIFELINE_NUMBER
from .command import LINK_NUMBERS
from .command import SECRET
from .command import Command
from .command import boot_words
from .command import command
from .command import connect_words
from .command import in_band_words
from .connection import Connection
from .forkserver.child import ForkError
from .forkserver.registry import Choice
from .forkserver.registry import choose
from .forkserver.registry import execute
from .forkserver.registry import fork
from .process import Child
from .relay.process import ControlSocket
from .relay.process import local_end

__tracebackhide__ = True


class ProcessStarter:
    """Of one process. Nothing is done before `child`.

    :param evidence: for the agent's module `evidence`.
    :raises ValueError: the option ``start_method`` asks for what cannot be.
    """

    def __init__(self, options: PeerOptions, evidence: dict[str, Any]) -> None:
        self._options = options
        self._evidence = evidence
        #: How it is done; another one when a fork server has failed.
        self.choice: Choice = choose(options)
        #: The command line as the user has asked for it.
        self.argv: list[str] = []
        #: Known before it says hello, if it is forked.
        self.interpreter: Interpreter | None = None
        #: The descriptor that the peer is to keep from others; -1 for none.
        self.lifeline: int = -1
        #: Of the near end of a relay, if there is a launcher that passes nothing on but stdin and stdout.
        self.control: ControlSocket | None = None

    def close_control(self) -> None:
        """Nobody will use it."""
        if self.control is not None:
            self.control.close()

    def close_theirs(self) -> None:
        """After the process has got what it inherits."""
        if self.control is not None:
            self.control.close_theirs()

    def child(
        self, connection: Connection, standard: Sequence[int], *, again: bool = False
    ) -> Child:
        """Make the process.

        :param standard: what it has as stdin, stdout and stderr.
        :param again: whether a fork server has failed already.
        :raises ExecNotFound: there is no such program.
        :raises BootError: the fork server could not make it.
        """
        descriptors = (*standard, *connection.peer_ends)
        if self.choice.server is None:
            return self._spawned(connection, descriptors)
        try:
            if self.choice.start_method == SPAWN:
                return self._executed(connection, descriptors)
            self.argv = [*self.choice.server.argv, f"{self._options.name}@{self._options.host}"]
            child, self.interpreter = fork(self.choice, self._options, descriptors, self._evidence)
            return child
        except ForkError as exc:
            unfit = self.choice.server.unfit and self.choice.start_method == SPAWN
            if unfit or (exc.lost and not again):
                self.choice = choose(self._options)  # with another server, or none
                return self.child(connection, standard, again=True)
            error = BootTimeout if exc.late else BootError
            raise error(
                f"peer {self._options.name!r} did not boot: {exc}", argv=self.argv
            ) from None

    def _executed(self, connection: Connection, descriptors: Sequence[int]) -> Child:
        line = self._line(connection, LINK_NUMBERS, CONTROL_NUMBER)
        if self.control is None:
            self.lifeline = LIFELINE_NUMBER
        else:
            descriptors = [*descriptors, self.control.theirs]
        child = execute(self.choice, self._options, line, descriptors)
        connection.send_loader()
        return child

    def _spawned(self, connection: Connection, descriptors: Sequence[int]) -> Child:
        line = self._line(connection, connection.peer_ends)
        end = lifeline.open_end()
        with lifeline.closing(end):
            control = -1 if self.control is None else self.control.theirs
            self.lifeline = end if control < 0 else -1
            keep = [fd for fd in (*connection.peer_ends, end, control) if fd >= 0]
            child = SpawnedChild(line, descriptors[:3], keep)
            lifeline.tie(end, child.pid)
        connection.send_loader()
        return child

    def _line(
        self, connection: Connection, numbers: Sequence[int], control: int | None = None
    ) -> Command:
        options = self._options
        if connection.address is not None:
            line = command(options, os.environ, connect_words(connection.address))
            self.argv = line.argv
            return line.with_variable(SECRET, connection.secret)
        relayed = launchers.in_band(options.exec) is not None
        words = in_band_words() if relayed else boot_words(*numbers)
        line = command(options, os.environ, words)
        self.argv = line.argv
        if not relayed:
            return line
        self.close_control()  # of a first try
        self.control = ControlSocket()
        read, write = numbers
        return local_end(line, options, read, write, control or self.control.theirs)
