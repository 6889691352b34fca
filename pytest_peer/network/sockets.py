"""Sockets of hosts for the process of the test: the holder makes them, and passes them on."""

from __future__ import annotations

import contextlib
import socket
import threading

from . import netlink
from .doorway import ANSWER, REQUEST, entry
from .holder import Place, held


def offer() -> str:
    """Give sockets of hosts to who asks in the directory that this returns."""
    directory = held().directory
    door = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with entry(directory) as path:
        door.bind(path)
    door.listen(128)
    threading.Thread(target=_serve, args=(door,), name="sockets", daemon=True).start()
    return directory


def _serve(door: socket.socket) -> None:
    home = (netlink.own("net"),)
    while True:
        client, _ = door.accept()
        with client, contextlib.suppress(OSError):  # who asks may have ended
            number, *kind = REQUEST.unpack(client.recv(REQUEST.size))
            try:
                made = _made(held().place_of(number), home, *kind)
            except OSError as exc:
                client.send(ANSWER.pack(exc.errno or 0))
                continue
            with made:
                socket.send_fds(client, [ANSWER.pack(0)], [made.fileno()])


def _made(
    place: Place, home: tuple[int, ...], family: int, kind: int, protocol: int
) -> socket.socket:
    with netlink.inside(place.net, back=home):
        return socket.socket(family, kind, protocol)
