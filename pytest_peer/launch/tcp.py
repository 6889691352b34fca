"""A TCP connection to a new process, which that opens: we listen until it has come.

Both prove who they are by a secret each, made for this one process and of no use afterwards: the peer before anything else that it
says is read, we before the peer runs any of our code.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import threading
from typing import Any

from ..core.errors import BootError
from ..core.sync import Event
from ..link.interpreter import Interpreter
from . import bootstrap
from .admission import Authenticator
from .connection import Connection
from .connection import LinkClosed

__tracebackhide__ = True

#: Of each secret; in hexadecimal digits it is twice as long.
_SECRET_BYTES = 32

_lock = threading.Lock()
#: Ports that were asked for by number, and which peer has each: two on one would work or not as their boots overlap.
_taken: dict[tuple[str, int], str] = {}


class Tcp(Connection):
    """Listens when this is made, and until the peer has come.

    :param where: IP address and port; the port 0 is any.
    :param name: the peer's.
    :raises BootError: it is not possible to listen there.
    """

    def __init__(self, where: tuple[str, int], name: str) -> None:
        self._where = where if where[1] else None
        self._name = name
        self._peers_secret, self._our_secret = (secrets.token_hex(_SECRET_BYTES) for _ in range(2))
        #: Both, as the peer is given them.
        self.secret: str = f"{self._peers_secret} {self._our_secret}"
        try:
            self._claim()
            self._listener = _listening(where)
        except OSError as exc:
            self.free()
            raise BootError(
                f"peer {name!r} did not boot: cannot listen on {where[0]} port {where[1]}: {exc.strerror or exc}; "
                "connection=0 takes any port that is free on 127.0.0.1"
            ) from None
        self.address: tuple[Any, ...] | None = self._listener.getsockname()

    def _claim(self) -> None:
        if self._where is None:
            return
        with _lock:
            holder = _taken.setdefault(self._where, self._name)
        if holder != self._name:
            self._where = None
            raise OSError(0, f"the peer {holder!r} has it")

    def free(self) -> None:
        """Let others have the port."""
        if self._where is not None:
            with _lock:
                _taken.pop(self._where, None)
            self._where = None

    def close(self) -> None:
        """Also stop to listen."""
        self._listener.close()
        super().close()

    def hello(self, gone: Event) -> Interpreter:
        """Wait for the peer among all who connect, and for its first line."""
        with self._listener:  # nobody can connect any more
            connected = Authenticator(self._listener, self._peers_secret.encode()).wait(gone)
        if connected is None:
            raise LinkClosed
        connected.setblocking(True)
        self._read = connected.detach()
        self._write = os.dup(self._read)
        os.write(self._write, self._our_secret.encode() + bootstrap.loader())
        return super().hello(gone)


def _listening(where: tuple[str, int]) -> socket.socket:
    family, *_, address = socket.getaddrinfo(
        *where, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
    )[0]
    with contextlib.ExitStack() as stack:
        listener = stack.enter_context(socket.socket(family, socket.SOCK_STREAM))
        # What is left of earlier connections does not matter.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(address)
        # As long as possible: those whom nobody has let in yet hold nobody up.
        listener.listen(socket.SOMAXCONN)
        stack.pop_all()
    return listener
