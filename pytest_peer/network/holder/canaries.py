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

from ...core.locks import Lock
from ..switch.filters import NONE, Pair
from ..switch.packets import CANARY, CANARY_END, Packet
from ..switch.switch import Port, Switch
from .proofs import Seen

_FENCE = b"\0fence!"
#: Ethernet, IPv4, UDP.
_HEADERS = 14 + 20 + 8
#: Seconds for a packet and its fence to come; it takes a millisecond.
_SECONDS = 2.0

#: A way, and what a canary probes there: the name of a setting, `ALL` or `NONE`.
Probe = tuple[Pair, str]


class Canaries:
    """Sends them between the hosts of one switch."""

    def __init__(self, switch: Switch, socket_at: Callable[[int], socket.socket]) -> None:
        self._switch = switch
        self._socket_at = socket_at  # makes a UDP socket in the namespace of a host
        self._sockets: dict[int, socket.socket] = {}
        self._nonces = itertools.count(1)
        self._turn = Lock()
        switch.on_canary = self._fence

    def between(self, pairs: Iterable[Pair], probed: str = NONE) -> dict[Pair, Seen]:
        """Send one on each of these ways; return what became of it, by way."""
        return {
            pair: seen for (pair, _), seen in self.sent((pair, probed) for pair in pairs).items()
        }

    def sent(self, probes: Iterable[Probe]) -> dict[Probe, Seen]:
        """Send these, and return what became of them."""
        with self._turn:  # a nemesis proves its faults on another thread than the test
            return self._sent(probes)

    def _sent(self, probes: Iterable[Probe]) -> dict[Probe, Seen]:
        found: dict[Probe, Seen] = {}
        waiting: dict[bytes, Probe] = {}
        begun: dict[bytes, float] = {}
        for probe in probes:
            (source, target), probed = probe
            nonce = b"%d" % next(self._nonces)
            payload = b"%s%s %s%s" % (CANARY, probed.encode(), nonce, CANARY_END)
            found[probe] = Seen(_HEADERS + len(payload))
            begun[nonce] = monotonic()
            try:
                self._at(source).sendto(payload, self._at(target).getsockname())
                waiting[nonce] = probe
            except OSError as exc:
                found[probe] = found[probe]._replace(error=f"could not be sent: {exc.strerror}")
        deadline = monotonic() + _SECONDS
        poll = select.poll()
        for number in {pair[1] for pair, _ in waiting.values()}:
            poll.register(self._at(number), select.POLLIN)
        by_fd = {sock.fileno(): sock for sock in self._sockets.values()}
        while waiting and (left := deadline - monotonic()) > 0:
            for fd, _ in poll.poll(left * 1000):
                payload = by_fd[fd].recv(256)
                nonce = payload[len(CANARY) : -len(CANARY_END)].split(b" ")[-1]
                if nonce not in waiting:  # one that was late
                    continue
                if not payload.endswith(CANARY_END):
                    del waiting[nonce]
                    continue
                seen = found[waiting[nonce]]
                seconds = seen.seconds or monotonic() - begun[nonce]
                found[waiting[nonce]] = seen._replace(times=seen.times + 1, seconds=seconds)
        for probe in waiting.values():
            error = f"has not come within {_SECONDS:g} s, nor has the fence behind it"
            found[probe] = found[probe]._replace(error=error)
        return found

    def _at(self, number: int) -> socket.socket:
        if number not in self._sockets:
            self._sockets[number] = self._socket_at(number)
        return self._sockets[number]

    @staticmethod
    def _fence(packet: Packet, target: Port) -> None:
        frame = bytearray(packet.frame[: -len(CANARY_END)] + _FENCE)
        udp = 14 + (frame[14] & 15) * 4
        frame[udp + 6 : udp + 8] = b"\0\0"  # no checksum
        target.send(bytes(frame))

    def close(self) -> None:
        for sock in self._sockets.values():
            sock.close()
