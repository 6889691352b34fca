"""The nameserver of a network: it answers from the fabric's own address, by UDP and TCP."""

from __future__ import annotations

import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Iterable

from ..addresses import Host
from ..names import answer

_PORT = 53
_LONGEST = 65535
#: Seconds that a client of TCP has for its question; others wait behind it.
_CLIENT_SECONDS = 0.5


class Nameserver:
    """A thread that answers for the hosts there are; made in the namespace of `host`."""

    def __init__(self, host: Host, hosts: Callable[[], Iterable[Host]]) -> None:
        self._hosts = hosts
        self._selector = selectors.DefaultSelector()
        for family, address in (
            (socket.AF_INET, host.address),
            (socket.AF_INET6, host.address6),
        ):
            # A kernel may have no IPv6.
            with contextlib.suppress(*[OSError] if family == socket.AF_INET6 else []):
                datagrams = socket.socket(family, socket.SOCK_DGRAM)
                datagrams.bind((address, _PORT))
                self._selector.register(datagrams, selectors.EVENT_READ, self._datagram)
                streams = socket.create_server((address, _PORT), family=family)
                self._selector.register(streams, selectors.EVENT_READ, self._stream)
        threading.Thread(target=self._loop, name="nameserver", daemon=True).start()

    def _loop(self) -> None:
        while True:
            for key, _ in self._selector.select():
                with contextlib.suppress(OSError):  # of a host that has gone, or will not hear
                    key.data(key.fileobj)

    def _datagram(self, sock: socket.socket) -> None:
        query, client = sock.recvfrom(_LONGEST)
        if found := answer(query, self._hosts()):
            sock.sendto(found, client)

    def _stream(self, server: socket.socket) -> None:
        client, _ = server.accept()
        with client:
            client.settimeout(_CLIENT_SECONDS)
            with client.makefile("rb") as file:
                query = file.read(int.from_bytes(file.read(2), "big"))
            if found := answer(query, self._hosts()):
                client.sendall(len(found).to_bytes(2, "big") + found)
