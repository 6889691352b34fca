"""A TCP connection to a new process: the origin listens until the peer has connected.

Each proves its identity by a secret that was made for this one boot: the peer before anything else
of it is read, the origin before the peer runs any code.
"""

import contextlib
import hmac
import os
import secrets
import select
import socket
from typing import Any

from ..core.errors import BootError
from ..core.sync import Event
from ..link.interpreter import Interpreter
from . import bootstrap
from .connection import GONE_POLL_MS, Connection, LinkClosed

#: So many connections may be open without the secret; the oldest makes room for the next.
_MOST = 256

#: Ports that were asked for by number, with the name of the peer that has it: whether two peers on
#: one port work would depend on how their boots overlap.
_taken: dict[tuple[str, int], str] = {}


class Tcp(Connection):
    """Listen at an address and port, 0 for any, until the peer has connected; or a BootError."""

    def __init__(self, where: tuple[str, int], name: str) -> None:
        self._where, self._name = where, name
        self._peers_secret, self._our_secret = (secrets.token_hex(32) for _ in range(2))
        self.secret: str = f"{self._peers_secret} {self._our_secret}"
        family = socket.AF_INET6 if ":" in where[0] else socket.AF_INET
        both = family == socket.AF_INET6 and socket.has_dualstack_ipv6()
        try:
            holder = _taken.setdefault(where, name) if where[1] else name
            if holder != name:
                raise OSError(0, f"the peer {holder!r} has it")
            self._listener = socket.create_server(
                where, family=family, backlog=socket.SOMAXCONN, dualstack_ipv6=both
            )
        except OSError as exc:
            self.free()
            why = os.strerror(exc.errno) if exc.errno else exc.strerror
            raise BootError(
                f"peer {name!r} did not boot: cannot listen on {where[0]} port {where[1]}: "
                f"{why}; connection=0 takes any port that is free on 127.0.0.1"
            ) from None
        self._listener.setblocking(False)
        self.address: tuple[Any, ...] | None = self._listener.getsockname()

    def free(self) -> None:
        if _taken.get(self._where) == self._name:
            _taken.pop(self._where, None)

    def close(self) -> None:
        self._listener.close()
        super().close()

    def hello(self, gone: Event) -> Interpreter:
        with self._listener:  # the first valid secret ends the listening
            connected = _authenticated(self._listener, self._peers_secret.encode(), gone)
        connected.setblocking(True)  # it has the mode of the listener, or of `setdefaulttimeout`
        self._read = connected.detach()
        self._write = os.dup(self._read)
        os.write(self._write, self._our_secret.encode() + bootstrap.loader())
        return super().hello(gone)


def _authenticated(listener: socket.socket, secret: bytes, gone: Event) -> socket.socket:
    """Return the first connection that sends `secret`, and close all others.

    Reads no more than the secret's length of any; LinkClosed means that the process has `gone`.
    """
    candidates: list[socket.socket] = []  # the oldest first
    try:
        while True:
            ended = gone.is_set()
            poll = select.poll()
            for each in (listener, *candidates):
                poll.register(each, select.POLLIN)
            ready = dict(poll.poll(GONE_POLL_MS))
            for connected in [each for each in candidates if each.fileno() in ready]:
                candidates.remove(connected)
                with contextlib.suppress(OSError):
                    received = connected.recv(len(secret), socket.MSG_DONTWAIT)
                    if hmac.compare_digest(received, secret):
                        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)
                        return connected
                connected.close()
            if listener.fileno() in ready:
                if len(candidates) >= _MOST:
                    candidates.pop(0).close()
                with contextlib.suppress(OSError):  # reset already, or no descriptor is left
                    connected, _ = listener.accept()
                    candidates.append(connected)
                    # It is ready when there is all of the secret, or its end.
                    connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, len(secret))
            if ended:
                raise LinkClosed
    finally:
        for connected in candidates:
            connected.close()
