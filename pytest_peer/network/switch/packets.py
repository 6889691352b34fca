"""A packet as the switch and a rule of the user see it, parsed no further than somebody asks."""

from __future__ import annotations

import socket
from functools import cached_property

IPV4, IPV6 = b"\x08\x00", b"\x86\xdd"
TCP, UDP = socket.IPPROTO_TCP, socket.IPPROTO_UDP
_ACK = 0x10
_FRAGMENT6 = 44
#: What may stand before the protocol in IPv6: options, routing, the header of a fragment.
_EXTENSIONS6 = frozenset((0, 43, 60, _FRAGMENT6))
#: IGMP; ICMPv6 for neighbours and groups: what kernels say without being asked.
_IGMP, _ICMP6 = 2, 58
_CHATTER6 = frozenset((130, 131, 132, 133, 134, 135, 136, 137, 143))
#: The payload of a packet with which a fault is proved begins so; then comes what it probes.
CANARY = b"pytest-peer canary "
#: And it ends so: the switch looks at that first.
CANARY_END = b"\0canary"


class Packet:
    """One IP packet in an Ethernet frame.

    :ivar src: the name of the host that has sent it.
    :ivar dst: the name of the host that it goes to.
    """

    def __init__(self, frame: bytes, src: str, dst: str) -> None:
        self.frame = frame
        self.src = src
        self.dst = dst
        #: How many faults had been made when those in its way had let it pass; -1 before that.
        self.passed: int = -1

    def __repr__(self) -> str:
        kind = "tcp" if self.tcp else "udp" if self.udp else f"protocol {self.protocol}"
        ports = f" {self.sport} > {self.dport}" if self.sport else ""
        return f"<{self.src} > {self.dst} {kind}{ports}, {len(self.payload)} bytes>"

    def with_frame(self, frame: bytes) -> Packet:
        """Return what has become of it on its way: damaged, it still is of whom it was."""
        if frame is self.frame:
            return self
        found = Packet(frame, self.src, self.dst)
        found.canary, found.probed, found.chatter = self.canary, self.probed, self.chatter
        found.passed = self.passed
        return found

    def having_passed(self, faults: int) -> Packet:
        """Return it as one that all faults in its way have let pass, of so many that were made."""
        found = Packet(self.frame, self.src, self.dst)
        found.__dict__.update(self.__dict__)
        found.passed = faults
        return found

    @cached_property
    def protocol(self) -> int:
        """The number of the protocol in the IP packet, behind IPv6's extensions."""
        return self._parts[0]

    @property
    def tcp(self) -> bool:
        """Whether it is one of TCP."""
        return self.protocol == TCP

    @property
    def udp(self) -> bool:
        """Whether it is one of UDP."""
        return self.protocol == UDP

    @property
    def sport(self) -> int:
        """The port that it comes from; 0 without ports, and in a fragment but the first."""
        return self._port(0)

    @property
    def dport(self) -> int:
        """The port that it goes to; 0 without ports, and in a fragment but the first."""
        return self._port(2)

    @cached_property
    def payload(self) -> bytes:
        """What the program sent: behind the header of TCP or UDP, else behind that of IP."""
        _, start, end = self._parts
        if self._later:
            return self.frame[start:end]
        if self.tcp:
            start += (self.frame[start + 12] >> 4) * 4 if end > start + 12 else 0
        elif self.udp:
            start += 8
        return self.frame[start:end]

    @property
    def addresses(self) -> tuple[bytes, bytes]:
        """The IP addresses that it comes from and goes to."""
        start, size = (26, 4) if self.frame[12:14] == IPV4 else (22, 16)
        return self.frame[start : start + size], self.frame[start + size : start + 2 * size]

    @property
    def acknowledged(self) -> int | None:
        """The number of the byte that the sender of a TCP segment expects next."""
        start = self._parts[1]
        if not self.tcp or self._later:
            return None
        if len(self.frame) < start + 14 or not self.frame[start + 13] & _ACK:
            return None
        return int.from_bytes(self.frame[start + 8 : start + 12], "big")

    @cached_property
    def chatter(self) -> bool:
        """Whether a kernel has sent it for itself, and neither for a program nor as an answer to one."""
        if self.protocol == _IGMP:
            return True
        if self.protocol != _ICMP6 or self._later:
            return False
        start = self._parts[1]
        return not _CHATTER6.isdisjoint(self.frame[start : start + 1])

    @cached_property
    def canary(self) -> bool:
        """Whether it is ours, to prove a fault."""
        return self.udp and not self._later and self.payload.startswith(CANARY)

    @cached_property
    def probed(self) -> str:
        """Of a canary: the setting of links that it probes; see `LinkFilter`."""
        return self.payload[len(CANARY) :].partition(b" ")[0].decode(errors="replace")

    def _port(self, offset: int) -> int:
        if self._later or not (self.tcp or self.udp):
            return 0
        start = self._parts[1] + offset
        return int.from_bytes(self.frame[start : start + 2], "big")

    @cached_property
    def _later(self) -> bool:
        """Whether it is a fragment of a packet, and not the first: its protocol has no header."""
        frame = self.frame
        if frame[12:14] == IPV4:
            return bool(int.from_bytes(frame[20:22], "big") & 0x1FFF)
        return self._parts6[2]

    @cached_property
    def _parts(self) -> tuple[int, int, int]:
        """The protocol, where its header or its fragment begins, and where the packet ends."""
        frame = self.frame
        if frame[12:14] == IPV4:
            end = 14 + int.from_bytes(frame[16:18], "big")
            return frame[23], 14 + (frame[14] & 15) * 4, min(end, len(frame))
        protocol, start, _ = self._parts6
        return protocol, start, min(54 + int.from_bytes(frame[18:20], "big"), len(frame))

    @cached_property
    def _parts6(self) -> tuple[int, int, bool]:
        """Of IPv6: the protocol, where it begins, and whether it is a fragment but the first."""
        frame = self.frame
        protocol, start = frame[20], 54
        while protocol in _EXTENSIONS6 and start + 8 <= len(frame):
            if protocol == _FRAGMENT6:
                offset = int.from_bytes(frame[start + 2 : start + 4], "big") & 0xFFF8
                protocol, start = frame[start], start + 8
                if offset:
                    return protocol, start, True
            else:
                protocol, start = frame[start], start + 8 + frame[start + 1] * 8
        return protocol, start, False
