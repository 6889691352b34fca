"""TCP connections as ``/proc/net/tcp`` lists them, and segments that nobody has sent. No I/O."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import ip_address  # PySyncObj replaces that of `socket`
from typing import NamedTuple

from .packets import IPV4, IPV6, TCP

RST, PSH, ACK = 0x04, 0x08, 0x10
#: In which both sides may still hear of an error: ESTABLISHED, FIN_WAIT1, FIN_WAIT2, CLOSE_WAIT.
_OPEN = frozenset(("01", "04", "05", "08"))
_MAPPED = bytes(10) + b"\xff\xff"
_HOPS = 64


class End(NamedTuple):
    """One end of a connection: addresses as in a packet, and ports."""

    local: bytes
    port: int
    remote: bytes
    remote_port: int

    @property
    def other(self) -> End:
        """The other end."""
        return End(self.remote, self.remote_port, self.local, self.port)

    def __str__(self) -> str:
        ends = (self.local, self.port), (self.remote, self.remote_port)
        return " > ".join(f"{ip_address(a)} port {port}" for a, port in ends)


def opened(listing: str) -> Iterator[End]:
    """Yield the ends of open connections from the text of ``/proc/net/tcp`` or ``tcp6``."""
    for line in listing.splitlines()[1:]:
        fields = line.split()
        if len(fields) > 3 and fields[3] in _OPEN:
            (local, port), (remote, remote_port) = map(_parsed, fields[1:3])
            yield End(local, port, remote, remote_port)


def _parsed(text: str) -> tuple[bytes, int]:
    """Return address and port; the kernel writes words of 32 bits in the machine's order."""
    words, _, port = text.partition(":")
    numbers = [int(words[start : start + 8], 16) for start in range(0, len(words), 8)]
    address = struct.pack(f"={len(numbers)}I", *numbers)
    if address.startswith(_MAPPED):
        address = address[len(_MAPPED) :]
    return address, int(port, 16)


def segment(to: End, flags: int, seq: int, ack: int = 0, payload: bytes = b"") -> bytes:
    """Return a frame that the other end of a connection might have sent to this one."""
    mask = 0xFFFFFFFF
    head = struct.pack(
        "!HHIIBBHHH", to.remote_port, to.port, seq & mask, ack & mask, 5 << 4, flags, 0, 0, 0
    )
    body = head + payload
    length = len(body)
    pseudo = to.remote + to.local + struct.pack("!II", length, TCP)
    checked = head[:16] + struct.pack("!H", checksum(pseudo + body)) + head[18:] + payload
    if len(to.local) == 4:
        ip = struct.pack("!BBHHHBBH", 0x45, 0, 20 + length, 0, 0x4000, _HOPS, TCP, 0)
        ip += to.remote + to.local
        kind, ip = IPV4, ip[:10] + struct.pack("!H", checksum(ip)) + ip[12:]
    else:
        ip = struct.pack("!IHBB", 6 << 28, length, TCP, _HOPS) + to.remote + to.local
        kind = IPV6
    return bytes(12) + kind + ip + checked


def checksum(data: bytes) -> int:
    """Return the checksum of IP, TCP and UDP (RFC 1071)."""
    data += b"\0" * (len(data) % 2)
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    found: int = ~total & 0xFFFF
    return found
