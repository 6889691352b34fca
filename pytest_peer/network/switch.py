"""The switch between the hosts: it forwards frames by their IP addresses, in user space."""

from __future__ import annotations

import contextlib
import os
import select
import socket
import threading
from dataclasses import dataclass, field

from .addresses import Host

#: Frames that are taken from one host before the others have their turn.
_TURN = 64
_LONGEST_FRAME = 1 << 16
_IPV4, _IPV6 = b"\x08\x00", b"\x86\xdd"


@dataclass(slots=True)
class Port:
    """Where a host is plugged in."""

    host: Host
    sock: socket.socket
    #: The beginning of each frame to the host: its hardware address, and the fabric's.
    head: bytes = field(init=False)

    def __post_init__(self) -> None:
        self.head = self.host.mac + b"\x02\0\xff\0\0\0"


class Switch:
    """A thread that forwards frames, and what decides about each of them."""

    def __init__(self) -> None:
        self._ports: dict[int, Port] = {}  # by the socket's descriptor
        self._by_address: dict[bytes, Port] = {}
        self._poll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._poll.register(self._wake, select.EPOLLIN)
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="switch", daemon=True)
        self._thread.start()

    def plug(self, host: Host, sock: socket.socket) -> None:
        """Connect a host; `sock` has its frames."""
        port = Port(host, sock)
        self._by_address[socket.inet_aton(host.address)] = port
        self._by_address[socket.inet_pton(socket.AF_INET6, host.address6)] = port
        self._ports[sock.fileno()] = port
        self._poll.register(sock, select.EPOLLIN)

    def close(self) -> None:
        """End the thread, and wait for it."""
        self._closed = True
        os.eventfd_write(self._wake, 1)
        self._thread.join(5)

    def _run(self) -> None:
        while not self._closed:
            for fd, _ in self._poll.poll():
                if fd in self._ports:
                    self._take(self._ports[fd])

    def _take(self, port: Port) -> None:
        """Forward what a host has sent."""
        recv = port.sock.recv
        for _ in range(_TURN):
            try:
                frame = recv(_LONGEST_FRAME)
            except BlockingIOError:
                return
            self._forward(port, frame)

    def _forward(self, source: Port, frame: bytes) -> None:
        kind = frame[12:14]
        if kind == _IPV4:
            address, many = frame[30:34], frame[30] >= 224
        elif kind == _IPV6:
            address, many = frame[38:54], frame[38] == 255
        else:
            return
        if many:
            for port in list(self._ports.values()):
                if port is not source and port.host.segment == source.host.segment:
                    self._send(port, frame, multicast=True)
        elif (target := self._by_address.get(address)) is not None:
            self._send(target, frame)

    @staticmethod
    def _send(port: Port, frame: bytes, multicast: bool = False) -> None:
        with contextlib.suppress(BlockingIOError, OSError):
            port.sock.send(frame if multicast else port.head + frame[12:])
