"""Packets of our own from host to host: whether a fault is in force is seen, not believed.

A canary goes through the kernels of both hosts, and needs no process there. The switch sends a
second packet behind it, the *fence*, past all faults. When the fence has come, the canary has come
before it or does not come: so nobody waits for a time to be over.
"""

from __future__ import annotations

import itertools
import select
import socket
from collections.abc import Callable, Iterable
from time import monotonic

from ..core.locks import Lock
from .filters import Pair
from .packets import CANARY, Packet
from .switch import Port, Switch

_END = b"\0canary"
_FENCE = b"\0fence!"
#: Seconds for a packet and its fence to come; it takes a millisecond.
_SECONDS = 2.0

ARRIVED, STOPPED = "arrived", "stopped"


class Canaries:
    """Sends them between the hosts of one switch."""

    def __init__(self, switch: Switch, socket_at: Callable[[int], socket.socket]) -> None:
        self._switch = switch
        self._socket_at = socket_at  # makes a UDP socket in the namespace of a host
        self._sockets: dict[int, socket.socket] = {}
        self._nonces = itertools.count(1)
        self._turn = Lock()
        switch.on_canary = self._fence

    def between(self, pairs: Iterable[Pair]) -> dict[Pair, str]:
        """Send one on each of these ways; return what became of it, by way.

        That is `ARRIVED`, `STOPPED`, or why neither is known.
        """
        with self._turn:  # a nemesis proves its faults on another thread than the test
            return self._sent(pairs)

    def _sent(self, pairs: Iterable[Pair]) -> dict[Pair, str]:
        found: dict[Pair, str] = {}
        waiting: dict[bytes, Pair] = {}
        for pair in pairs:
            nonce = b"%d" % next(self._nonces)
            target = self._at(pair[1])
            try:
                self._at(pair[0]).sendto(CANARY + nonce + _END, target.getsockname())
                waiting[nonce] = pair
            except OSError as exc:
                found[pair] = f"it could not be sent: {exc.strerror}"
        deadline = monotonic() + _SECONDS
        arrived: set[bytes] = set()
        poll = select.poll()
        for number in {pair[1] for pair in waiting.values()}:
            poll.register(self._at(number), select.POLLIN)
        by_fd = {sock.fileno(): sock for sock in self._sockets.values()}
        while waiting and (left := deadline - monotonic()) > 0:
            for fd, _ in poll.poll(left * 1000):
                payload = by_fd[fd].recv(256)
                nonce = payload[len(CANARY) : -len(_END)]
                if payload.endswith(_END):
                    arrived.add(nonce)
                elif nonce in waiting:
                    found[waiting.pop(nonce)] = ARRIVED if nonce in arrived else STOPPED
        for pair in waiting.values():
            found[pair] = f"neither it nor its fence has come within {_SECONDS:g} s"
        return found

    def _at(self, number: int) -> socket.socket:
        if number not in self._sockets:
            self._sockets[number] = self._socket_at(number)
        return self._sockets[number]

    @staticmethod
    def _fence(packet: Packet, target: Port) -> None:
        frame = bytearray(packet.frame[: -len(_END)] + _FENCE)
        udp = 14 + (frame[14] & 15) * 4
        frame[udp + 6 : udp + 8] = b"\0\0"  # no checksum
        target.send(bytes(frame))

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()
