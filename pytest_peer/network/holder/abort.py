"""Reset connections between hosts as if each host had reset them, and see that they are gone.

A kernel takes a reset only with the very number that it expects next (RFC 5961). It says that
number when it is asked: by a segment that is outside of its window, which it answers and forgets.
Meanwhile no segment of the connection passes, so the number stays true.
"""

from __future__ import annotations

import random
import socket
import threading
from dataclasses import dataclass, field
from time import monotonic, sleep

from ..switch.filters import Filter, Pair
from ..switch.packets import Packet
from ..switch.tcp import ACK, PSH, RST, End, opened, segment
from ..switch.verdicts import Sending
from .holder import Holder

#: Seconds until connections that are still there are told of; it takes a millisecond.
_SECONDS = 2.0
#: Seconds for a kernel to answer; one whose program is using the socket does so a little later.
_ANSWER_SECONDS = 0.05
#: Seconds for a program that is using the socket to take the reset.
_PAUSE = 0.002


@dataclass(slots=True)
class ResetFilter(Filter):
    """Lets nothing of these connections pass, and learns what their ends expect next."""

    ends: frozenset[End] = frozenset()
    #: Those that have been asked what they expect, and what they have said.
    asked: frozenset[End] = frozenset()
    expected: dict[End, int] = field(default_factory=dict)
    learned: threading.Event = field(default_factory=threading.Event)

    def pass_on(self, packet: Packet, pair: Pair, now: float) -> list[Sending]:  # noqa: ARG002
        if packet.tcp:
            source, target = packet.addresses
            end = End(source, packet.sport, target, packet.dport)
            if end in self.ends or end.other in self.ends:
                if packet.acknowledged is not None:
                    self.expected[end] = packet.acknowledged
                    if self.expected.keys() >= self.asked:
                        self.learned.set()
                return []
        return [Sending(now, packet.frame)]


class Reset:
    """The open connections on some ways, in both directions, and their end."""

    def __init__(self, holder: Holder, pairs: frozenset[Pair]) -> None:
        self._holder = holder
        self._pairs = pairs
        numbers = {number for pair in pairs for number in pair}
        self._numbers = sorted(numbers)
        self._hosts: dict[bytes, int] = {}
        for host in (place.host for place in holder.places.values()):
            if host.number in numbers:
                self._hosts[socket.inet_aton(host.address)] = host.number
                self._hosts[socket.inet_pton(socket.AF_INET6, host.address6)] = host.number

    def run(self, number: int) -> tuple[int, list[str]]:
        """Reset them; return how many connections there were, and the ends that are left."""
        ends = self._opened()
        count = len({min(end, end.other) for end in ends})
        if not ends:
            return 0, []
        switch = self._holder.switch
        made = ResetFilter(number, self._pairs, ends=ends)
        switch.run(switch.filters.add, made, True)
        try:
            deadline = monotonic() + _SECONDS
            while ends and monotonic() < deadline:
                self._round(made, ends)
                ends &= self._opened()
                if ends:
                    sleep(_PAUSE)
                    ends &= self._opened()
        finally:
            switch.run(switch.filters.remove, number)
        return count, sorted(map(str, ends))

    def _round(self, made: ResetFilter, ends: frozenset[End]) -> None:
        def ask() -> None:
            made.asked = ends
            made.expected.clear()
            made.learned.clear()
            for end in ends:
                # One of them is out of the window, whatever that is. With a byte in it, as kernels
                # limit their answers to empty ones.
                seq = random.getrandbits(32)
                for each in (seq, seq + (1 << 31)):
                    self._send(end, segment(end, ACK | PSH, each, 0, b"\0"))

        def reset() -> None:
            for end in ends & made.expected.keys():
                self._send(end, segment(end, RST, made.expected[end]))

        run = self._holder.switch.run
        run(ask)
        made.learned.wait(_ANSWER_SECONDS)
        run(reset)

    def _send(self, end: End, frame: bytes) -> None:
        self._holder.switch.inject(frame, self._hosts[end.local])

    def _opened(self) -> frozenset[End]:
        found: set[End] = set()
        for number in self._numbers:
            for name in ("tcp", "tcp6"):
                for end in opened(self._holder.proc_net(number, name)):
                    to = self._hosts.get(end.remote, number)
                    if end.local in self._hosts and (number, to) in self._pairs:
                        found.add(end)
        return frozenset(found)
