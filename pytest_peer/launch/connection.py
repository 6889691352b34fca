"""The connection to a new process before there is a link: the handshake, and two pipes for it."""

import os
import select
from typing import Any

from ..core.sync import Event
from ..link.interpreter import Interpreter, parse_hello
from . import bootstrap

#: How often a boot without news checks whether the process has ended.
GONE_POLL_MS = 100


class LinkClosed(Exception):
    """The other end closed the link during the handshake."""


class Connection:
    """The origin's ends of a connection to a new process, from before its start to the link."""

    #: The descriptors that the peer inherits: it reads the first and writes to the second.
    peer_ends: tuple[int, ...] = ()
    #: The address to which the peer connects; ``None`` if it inherits descriptors.
    address: tuple[Any, ...] | None = None
    #: The secrets with which the peer connects.
    secret: str = ""
    _read: int = -1
    _write: int = -1

    def send_loader(self) -> None:
        """Send what the interpreter reads first, if there is a link before its start."""
        if self._write >= 0:
            os.write(self._write, bootstrap.loader())  # it fits into an empty pipe

    def close_peer_ends(self) -> None:
        """Close the peer's ends after its start, so that its end of file reaches us."""
        for fd in self.peer_ends:
            os.close(fd)

    def free(self) -> None:
        """Free what other peers may use after the end of this one."""

    def close(self) -> None:
        """Close our ends, unless `hand_over` has given them away."""
        for fd in self.hand_over():
            if fd >= 0:
                os.close(fd)

    def hand_over(self) -> tuple[int, int]:
        """Return the descriptors for reading and writing, which the caller has to close."""
        ends = self._read, self._write
        self._read = self._write = -1
        return ends

    def hello(self, gone: Event) -> Interpreter:
        """Wait for the peer's first line; raise LinkClosed if it will never come, or Unusable."""
        line = b""
        poll = select.poll()
        poll.register(self._read, select.POLLIN)
        while not line.endswith(b"\n"):
            ended = gone.is_set()  # nothing more comes then, though a descendant may hold the pipe
            ready = poll.poll(GONE_POLL_MS)
            data = os.read(self._read, 4096) if ready else b""
            if not data and (ready or ended):
                raise LinkClosed
            line += data
        return parse_hello(line)

    def send_agent(self, interpreter: Interpreter, config: dict[str, Any]) -> None:
        """Send our code and its configuration; may wait until the peer has read it."""
        view = memoryview(bootstrap.peer(interpreter.compiled, config))
        while view:
            view = view[os.write(self._write, view) :]
        # It may have filled the pipe, and the gateway's first message does not wait for room.
        poll = select.poll()
        poll.register(self._write, select.POLLOUT)
        poll.poll()  # also until the peer's end


class Pipes(Connection):
    """Two pipes of their own for a local peer, so that they carry nothing that the peer prints."""

    def __init__(self) -> None:
        self._read, peer_writes = os.pipe()
        peer_reads, self._write = os.pipe()
        self.peer_ends: tuple[int, ...] = (peer_reads, peer_writes)
