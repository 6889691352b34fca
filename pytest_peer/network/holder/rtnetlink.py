"""The few requests of rtnetlink(7) that a network needs, many in one message.

A library for all of netlink takes longer to import than a network takes to be made.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Iterable

#: Types of messages.
_NEWLINK, _GETLINK, _NEWADDR, _NEWROUTE = 16, 18, 20, 24
_REQUEST, _ACK, _EXCL, _CREATE = 1, 4, 0x200, 0x400
_ERROR = 2
_HEADER = struct.Struct("=IHHII")  # length, type, flags, number, port
_LINK = struct.Struct("=BxHiII")  # family, type, index, flags, which of these change
_ADDRESS = struct.Struct("=BBBBI")  # family, prefix, flags, scope, index
_ROUTE = struct.Struct("=BBBBBBBBI")  # family, prefixes, TOS, table, protocol, scope, type, flags
#: Attributes of links, of their kind, and of the pair of interfaces that is named veth.
_LINK_ADDRESS, _LINK_NAME, _LINK_INFO, _LINK_NET = 1, 3, 18, 28
_CARRIER_DOWN_COUNT = 48
_INFO_KIND, _INFO_DATA, _VETH_PEER = 1, 2, 1
_ADDRESS_ITSELF, _ADDRESS_LOCAL = 1, 2
_ROUTE_INTERFACE = 4
_UP, _NO_ARP = 1, 0x80
_NO_DUPLICATES_CHECK = 2
_MAIN_TABLE, _BY_BOOT, _SCOPE_LINK, _UNICAST = 254, 3, 253, 1
_MOST_BYTES = 1 << 16

#: Type, flags, and the rest of a message.
Request = tuple[int, int, bytes]


def pair(name: str, other: str, net: int, mac: bytes) -> Request:
    """Make two interfaces that are joined, the `other` with `mac` in the namespace of a file."""
    peer = (
        _LINK.pack(0, 0, 0, 0, 0)
        + _attribute(_LINK_NAME, _text(other))
        + _attribute(_LINK_NET, struct.pack("=I", net))
        + _attribute(_LINK_ADDRESS, mac)
    )
    info = _attribute(_INFO_KIND, b"veth") + _attribute(_INFO_DATA, _attribute(_VETH_PEER, peer))
    body = _attribute(_LINK_NAME, _text(name)) + _attribute(_LINK_INFO, info)
    return _NEWLINK, _CREATE | _EXCL, _LINK.pack(0, 0, 0, 0, 0) + body


def up(index: int, *, arp: bool = True) -> Request:
    """Bring an interface up; without `arp` it asks nobody for hardware addresses."""
    flags = _UP if arp else _UP | _NO_ARP
    return _NEWLINK, 0, _LINK.pack(0, 0, index, flags, flags)


def address(index: int, text: str, prefix: int) -> Request:
    """Give an interface an address, which can be used at once."""
    family, packed = _packed(text)
    head = _ADDRESS.pack(family, prefix, _NO_DUPLICATES_CHECK, 0, index)
    body = _attribute(_ADDRESS_LOCAL, packed) + _attribute(_ADDRESS_ITSELF, packed)
    return _NEWADDR, _CREATE | _EXCL, head + body


def default_route(index: int, family: int) -> Request:
    """Let all packets go out by an interface that no other route is for."""
    scope = _SCOPE_LINK if family == socket.AF_INET else 0
    head = _ROUTE.pack(family, 0, 0, 0, _MAIN_TABLE, _BY_BOOT, scope, _UNICAST, 0)
    body = _attribute(_ROUTE_INTERFACE, struct.pack("=I", index))
    return _NEWROUTE, _CREATE | _EXCL, head + body


class Socket:
    """Sends requests to the kernel, for the network namespace in which it was made."""

    def __init__(self) -> None:
        self._sock = socket.socket(
            socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE
        )

    def __enter__(self) -> Socket:
        return self

    def __exit__(self, *_: object) -> None:
        self._sock.close()

    def ask(self, *requests: Request) -> None:
        """Have the kernel do what is asked, in this order; raises OSError for the first that it refuses."""
        for number in self.refused(*requests).values():
            raise OSError(number, os.strerror(number))

    def refused(self, *requests: Request) -> dict[int, int]:
        """Have the kernel do what is asked; return the errors by the places of their requests."""
        self._sock.send(b"".join(_framed(requests)))
        errors: dict[int, int] = {}
        left = len(requests)
        while left:
            for place, number in _answers(self._sock.recv(_MOST_BYTES)):
                left -= 1
                if number:
                    errors[place] = number
        return dict(sorted(errors.items()))

    def carrier_losses(self, index: int) -> int:
        """Return how often the other end of an interface has gone down."""
        request = _GETLINK, 0, _LINK.pack(0, 0, index, 0, 0)
        self._sock.send(b"".join(_framed([request])))
        data = self._sock.recv(_MOST_BYTES)
        if _HEADER.unpack_from(data)[1] != _NEWLINK:
            return 0  # there is none
        self._sock.recv(_MOST_BYTES)  # that it is done
        attributes = _attributes(data[_HEADER.size + _LINK.size : _HEADER.unpack_from(data)[0]])
        return int.from_bytes(attributes.get(_CARRIER_DOWN_COUNT, b""), sys.byteorder)


def _framed(requests: Iterable[Request]) -> Iterable[bytes]:
    for place, (kind, flags, body) in enumerate(requests):
        length = _HEADER.size + len(body)
        yield _padded(_HEADER.pack(length, kind, _REQUEST | _ACK | flags, place, 0) + body)


def _answers(data: bytes) -> Iterable[tuple[int, int]]:
    """Yield the place of each request that is answered, and the number of its error or 0."""
    while data:
        length, kind, _, place, _ = _HEADER.unpack_from(data)
        if kind == _ERROR:
            (error,) = struct.unpack_from("=i", data, _HEADER.size)
            yield place, -error
        data = data[-(-length // 4) * 4 :]


def _attribute(kind: int, data: bytes) -> bytes:
    return _padded(struct.pack("=HH", 4 + len(data), kind) + data)


def _attributes(data: bytes) -> dict[int, bytes]:
    """Return the attributes that an answer ends with, by their kinds."""
    found = {}
    while data:
        length, kind = struct.unpack_from("=HH", data)
        found[kind] = data[4:length]
        data = data[-(-length // 4) * 4 :]
    return found


def _padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)


def _text(name: str) -> bytes:
    return name.encode() + b"\0"


def _packed(text: str) -> tuple[int, bytes]:
    family = socket.AF_INET6 if ":" in text else socket.AF_INET
    return family, socket.inet_pton(family, text)
