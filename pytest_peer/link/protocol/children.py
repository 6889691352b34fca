"""The way from the processes that a peer has started to the peer.

They ask it, each time by a new connection, which a forked child closes. The peer listens on a
socket that is no file. In the name is its process id, or its parent's if that gets its orphans (see
`agent.forkserver.reaper`): they find it among their parents and the leaders of their sessions. The
kernel says who is at the other end.
"""

from __future__ import annotations

import _socket
import struct
from io import FileIO
from typing import Any, Iterator

from . import framing
from .messages import Payload
from .receiver import FrameReceiver
from .sender import Transmission
from .unpatched import os

#: Sockets of this process that are open; a copy in a forked child would hide its end.
_sockets: set[Any] = set()


def lineage(pid: int) -> Iterator[int]:
    """Yield a process, its parents, and the leaders of their sessions, the nearest first."""
    child = gone = 0
    while pid > 0 and pid != gone:
        try:
            with FileIO("/proc/%d/stat" % pid) as file:  # tests patch `open`
                _, parent, _, session, *_ = file.readall().rpartition(b")")[2].split()
        except OSError:
            pid, child, gone = child, 0, pid  # the child has got another parent then
            continue
        yield from (pid, int(session))
        pid, child = int(parent), pid


def ask(pid: int, kind: int, payload: Payload, limit: float = 0.0) -> tuple[int, Any]:
    """Return the kind and payload of the peer's answer, or raise OSError.

    :param limit: seconds for the connection and for each part of both; 0 is no limit.
    """
    with Connection(pid, limit) as sock:
        send(sock, kind, payload)
        return next(received(sock))


class Connection:
    """A context manager that gives a socket to the peer, and lets OSError say that it is gone."""

    def __init__(self, pid: int, limit: float = 0.0) -> None:
        self._pid = pid
        self._limit = limit
        self._sock: Any = None
        self._hung_up = False

    def __enter__(self) -> Any:
        pid, self._sock = self._pid, opened(_socket.AF_UNIX)
        sock = self._sock
        try:
            for option in (_socket.SO_SNDTIMEO, _socket.SO_RCVTIMEO) if self._limit else ():
                seconds = struct.pack("ll", int(self._limit), 0)
                sock.setsockopt(_socket.SOL_SOCKET, option, seconds)
            if sock.connect_ex(address(pid)) or pid not in lineage(other_end(sock)):
                raise ConnectionRefusedError("the peer, process %d, is gone or out of reach" % pid)
            if self._hung_up:
                raise ConnectionAbortedError("this process has given its question up")
        except BaseException as exc:
            self.__exit__(type(exc), exc, None)
            raise
        return sock

    def __exit__(self, _: object, exc: BaseException | None, __: object) -> None:
        close(self._sock)
        # The last where there is no Linux.
        if isinstance(exc, (EOFError, BrokenPipeError, ConnectionResetError, FileNotFoundError)):
            raise ConnectionAbortedError("the peer gives this process no answer") from exc

    def hang_up(self) -> None:
        """Let a thread that reads from it do so no more."""
        self._hung_up = True
        try:
            self._sock.shutdown(_socket.SHUT_RDWR)
        except (AttributeError, OSError):
            pass  # it is not open yet, or no longer


def opened(*args: Any, **kwargs: Any) -> Any:
    sock = _socket.socket(*args, **kwargs)
    _sockets.add(sock)
    sock.settimeout(None)  # whatever `socket.setdefaulttimeout` says
    return sock


def close(sock: Any) -> None:
    _sockets.discard(sock)
    sock.close()


def close_all() -> None:
    while _sockets:
        _sockets.pop().close()


os.register_at_fork(after_in_child=close_all)


def address(pid: int) -> str:
    # Containers can share a network, and with it these names, but not the process ids.
    return "\0pytest-peer-%d-%d" % (os.stat("/proc/self/ns/pid").st_ino, pid)


def other_end(sock: Any) -> Any:
    """Return the id of the process that has connected, or of the one that listens."""
    return sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED)  # its first member


def send(sock: Any, kind: int, payload: Payload) -> None:
    message = Transmission(kind, 0, payload, True, None)
    while message.left:
        flag, part = message.next_item()
        for piece in (framing.head(kind, flag, 0, len(part)), part, framing.STOP):
            sock.sendall(piece, _socket.MSG_NOSIGNAL)


def received(sock: Any) -> Iterator[tuple[int, Any]]:
    """Yield what comes: kinds and payloads."""
    got: list[tuple[int, Any]] = []
    receiver = FrameReceiver(sock.fileno(), lambda kind, _, payload: got.append((kind, payload)))
    while True:
        while not got:
            receiver.pull()
        yield got.pop(0)
