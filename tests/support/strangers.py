"""Clients that connect to the port of a booting peer and are not that peer."""

from __future__ import annotations

import os
import re
import socket
from pathlib import Path
from typing import Any

import psutil
from gates import Gate
from timeouts import LONGER

import pytest_peer
from pytest_peer import eventually

_ADDRESS = re.compile(r"connect\(\('([0-9a-f.:]+)', (\d+)")


def address_of(argv: list[str]) -> tuple[str, int]:
    """Where a peer with that command line connects."""
    (found,) = (match for word in argv if (match := _ADDRESS.search(word)))
    return found[1], int(found[2])


class Besieged:
    """A peer that is held before its interpreter starts, while its origin listens."""

    def __init__(self, peer_factory: Any, gate: Gate, **options: Any) -> None:
        self._gate = gate
        self._sockets: list[socket.socket] = []
        options = {"connection": 0, "wait_boot": False, **options}
        self.peer: pytest_peer.Peer = peer_factory(exec=gate.launcher(), **options)
        gate.wait_reached()
        (self.process,) = (
            each
            for each in psutil.Process().children(recursive=True)
            if each.cmdline()[-1:] == [self.peer.node]
        )
        self.address = address_of(self.process.cmdline())

    def __enter__(self) -> Besieged:
        return self

    def __exit__(self, *_: object) -> None:
        for sock in self._sockets:
            sock.close()

    def connect(self) -> socket.socket:
        """Somebody connects; with a limit for all that he does, and closed in the end."""
        sock = socket.create_connection(self.address, timeout=LONGER)
        self._sockets.append(sock)
        return sock

    def secrets(self) -> list[str]:
        """Return the secret of the peer, which a stranger with the rights of its user can read."""
        pairs = Path(f"/proc/{self.process.pid}/environ").read_text().split("\0")
        (value,) = (pair for pair in pairs if pair.startswith("PYTEST_PEER_SECRET="))
        return value.partition("=")[2].split()

    def boot(self) -> None:
        """Let the peer go on, and see that it boots."""
        self._gate.open()
        self.peer.wait_boot(LONGER)
        assert self.peer.call(os.getpid) == self.peer.pid


def is_closed(sock: socket.socket) -> bool:
    """Wait until the other end has closed it; its first words are not a reply."""
    try:
        return sock.recv(1) == b""
    except ConnectionError:
        return True


def assert_refused(address: tuple[str, int]) -> None:
    """Nobody listens there."""

    def refused() -> bool:
        try:
            socket.create_connection(address, timeout=LONGER).close()
        except ConnectionRefusedError:
            return True
        return False

    eventually(refused, LONGER)
