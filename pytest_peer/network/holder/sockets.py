"""Sockets of hosts for the process of the test: the holder makes them, and passes them on."""

from __future__ import annotations

import contextlib
import socket
import threading
from time import sleep

from . import netlink
from .doorway import ANSWER, REQUEST, entry
from .holder import HostNamespaces, held

#: Seconds before the next try to take a request.
_PAUSE = 0.05


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
        try:
            client, _ = door.accept()
        except OSError:  # such as no descriptors left: who asks waits until there are some
            sleep(_PAUSE)
            continue
        with client, contextlib.suppress(OSError):  # who asks may have ended
            _answer(client, home)


def _answer(client: socket.socket, home: tuple[int, ...]) -> None:
    request = client.recv(REQUEST.size)
    if len(request) != REQUEST.size:  # it has hung up
        return
    number, *kind = REQUEST.unpack(request)
    try:
        made = _made(held().place_of(number), home, *kind)
    except OSError as exc:
        client.send(ANSWER.pack(exc.errno or 0))
        return
    with made:
        socket.send_fds(client, [ANSWER.pack(0)], [made.fileno()])


def _made(
    place: HostNamespaces, home: tuple[int, ...], family: int, kind: int, protocol: int
) -> socket.socket:
    with netlink.inside(place.net, back=home):
        return socket.socket(family, kind, protocol)
