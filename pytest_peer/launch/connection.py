"""The way to a new process before there is a link: two pipes, and the handshake over them, which is that of other ways as well."""

from __future__ import annotations

import os
import select
from typing import Any

from ..core.sync import Event
from ..link.interpreter import Interpreter
from ..link.interpreter import parse_hello
from . import bootstrap

#: How often a boot that hears nothing looks whether the process is still there.
_GONE_POLL_MS = 200


class LinkClosed(Exception):
    """The other end closed the link before it had said what was expected."""


class Connection:
    """The origin's ends of a connection to a new process, from before its start to the link."""

    #: The descriptors that the peer inherits for it: on which it hears us, and on which it answers.
    peer_ends: tuple[int, ...] = ()
    #: Where the peer connects to instead, if it does.
    address: tuple[Any, ...] | None = None
    #: What the peer has to know for that, and nobody else.
    secret: str = ""
    _read: int = -1
    _write: int = -1

    def send_loader(self) -> None:
        """Send what the interpreter reads first, if that is possible before it has started."""

    def close_peer_ends(self) -> None:
        """After the process was started: its end of file must reach us."""

    def free(self) -> None:
        """After the end of the peer: what others may have now."""

    def close(self) -> None:
        """Give up our ends, unless `hand_over` has given them away."""
        for fd in (self._read, self._write):
            if fd >= 0:
                os.close(fd)
        self._read = self._write = -1

    def hand_over(self) -> tuple[int, int]:
        """The descriptors for reading and writing; the caller closes them from now on."""
        ends = self._read, self._write
        self._read = self._write = -1
        return ends

    def hello(self, gone: Event) -> Interpreter:
        """Wait for the peer's first line.

        :param gone: set when the process has ended: then nothing more comes, even if something it started holds the pipe.
        :raises LinkClosed: it will never come.
        :raises Unusable: not a Python that the agent runs on.
        """
        line = b""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while not line.endswith(b"\n"):
            ended = gone.is_set()
            if poll.poll(_GONE_POLL_MS):
                data = os.read(self._read, 4096)
                if not data:
                    raise LinkClosed
                line += data
            elif ended:
                raise LinkClosed
        return parse_hello(line)

    def send_agent(
        self, interpreter: Interpreter, name: str, evidence: dict[str, Any] | None, lifeline: int
    ) -> None:
        """Send our code and what it has to know. May wait until the peer has read."""
        config = bootstrap.agent_config(interpreter, name, evidence, lifeline)
        code = bootstrap.peer(interpreter.compiled, config)
        view = memoryview(code)
        while view:
            view = view[os.write(self._write, view) :]


class Pipes(Connection):
    """That of a local peer: nothing else is on it, so nothing that the peer prints can be mistaken for it."""

    def __init__(self) -> None:
        self._read, answers = os.pipe()
        hears, self._write = os.pipe()
        self.peer_ends: tuple[int, ...] = (hears, answers)

    def send_loader(self) -> None:
        """It fits into an empty pipe, so this does not wait for a reader."""
        os.write(self._write, bootstrap.loader())

    def close_peer_ends(self) -> None:
        """Both: they belong to the peer now."""
        for fd in self.peer_ends:
            os.close(fd)
