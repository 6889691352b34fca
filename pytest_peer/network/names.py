"""Which names lead to which hosts, and the messages of DNS that ask and tell it; no I/O."""

from __future__ import annotations

import ipaddress
import re
import socket
import struct
from collections.abc import Iterable

from .addresses import Host

_A, _PTR, _AAAA, _ANY = 1, 12, 28, 255
_INTERNET = 1
_HEADER = struct.Struct("!6H")
#: Of the header: an answer, authoritative, to who wants recursion, which is available.
_ANSWERED, _WANTED, _AVAILABLE = 0x8400, 0x0100, 0x0080
_OPCODE = 0x7800
_FORMAT_ERROR, _NO_SUCH_NAME, _NOT_IMPLEMENTED = 1, 3, 4
#: Where the name of the question is in a message, as a name in an answer.
_THAT_NAME = b"\xc0\x0c"
_NO_LETTER = re.compile(r"[^A-Za-z0-9-]")
_LONGEST_LABEL = 63
#: Seconds for which nobody keeps an answer: hosts come later.
_KEPT = 0


def host_of(name: str) -> str:
    """Return a name for the host of a peer, which resolvers take for no address."""
    found = _NO_LETTER.sub("-", name)[-_LONGEST_LABEL:].strip("-") or "peer"
    return f"peer-{found}" if is_address(found) else found


def refusal(host: str) -> str:
    """Return why a host cannot have that name; empty if it can."""
    if _NO_LETTER.search(host) or not 0 < len(host) <= _LONGEST_LABEL or host != host.strip("-"):
        return f"expected up to {_LONGEST_LABEL} letters, digits and hyphens, none at the ends"
    return "resolvers would take it for an address" if is_address(host) else ""


def is_address(text: str) -> bool:
    """Return whether resolvers take a text for an IPv4 address: ``1`` is 0.0.0.1."""
    try:
        socket.inet_aton(text)
    except (OSError, UnicodeError):
        return False
    return True


def named(name: str, hosts: Iterable[Host]) -> Host | None:
    """Return the host to which a name leads, whatever the case of its letters."""
    wanted = name.rstrip(".").lower()
    for host in hosts:
        if wanted in (each.lower() for each in (host.name, *host.aliases)):
            return host
    return None


def addressed(address: str, hosts: Iterable[Host]) -> Host | None:
    """Return the host that has an address of IPv4 or IPv6."""
    try:
        wanted = str(ipaddress.ip_address(address.partition("%")[0]))
    except ValueError:
        return None
    return next((each for each in hosts if wanted in (each.address, each.address6)), None)


def answer(query: bytes, hosts: Iterable[Host]) -> bytes:
    """Return what a nameserver says to a query; nothing to what is none."""
    if len(query) < _HEADER.size or query[2] & 0x80:
        return b""
    number, flags, questions, *_ = _HEADER.unpack_from(query)
    flags = _ANSWERED | (flags & (_OPCODE | _WANTED)) | _AVAILABLE
    if flags & _OPCODE:
        return _HEADER.pack(number, flags | _NOT_IMPLEMENTED, 0, 0, 0, 0)
    question = _question(query) if questions == 1 else None
    if question is None:
        return _HEADER.pack(number, flags | _FORMAT_ERROR, 0, 0, 0, 0)
    name, kind, family, end = question
    found = _of_pointer(name, hosts) if name.lower().endswith(".arpa") else named(name, hosts)
    if found is None:
        flags |= _NO_SUCH_NAME
    records = _records(kind, found, name) if found and family in (_INTERNET, _ANY) else []
    head = _HEADER.pack(number, flags, 1, len(records), 0, 0)
    return head + query[_HEADER.size : end] + b"".join(records)


def _question(query: bytes) -> tuple[str, int, int, int] | None:
    """Return a name, what is asked of it, in which family, and where that ends."""
    try:
        name, end = _name(query, _HEADER.size)
        kind, family = struct.unpack_from("!2H", query, end)
    except (ValueError, IndexError, struct.error):
        return None
    return name, kind, family, end + 4


def _name(message: bytes, start: int) -> tuple[str, int]:
    """Return the name that begins there, and where it ends; a query has no pointers in it."""
    labels: list[str] = []
    while length := message[start]:
        if length > 63 or start + 1 + length >= len(message):
            raise ValueError("not a name")
        labels.append(message[start + 1 : start + 1 + length].decode("ascii"))
        start += 1 + length
    return ".".join(labels), start + 1


def _of_pointer(name: str, hosts: Iterable[Host]) -> Host | None:
    """Return the host whose address a name such as ``1.0.77.10.in-addr.arpa`` is."""
    *parts, kind, _ = name.lower().split(".")
    parts.reverse()
    if kind == "in-addr":
        return addressed(".".join(parts), hosts)
    digits = "".join(parts)
    groups = (digits[at : at + 4] for at in range(0, len(digits), 4))
    return addressed(":".join(groups), hosts)


def _records(kind: int, host: Host, name: str) -> list[bytes]:
    """Return what there is of that kind."""
    found = []
    if name.lower().endswith(".arpa"):
        if kind in (_PTR, _ANY):
            label = host.name.encode()
            found.append((_PTR, bytes((len(label),)) + label + b"\0"))
    else:
        if kind in (_A, _ANY):
            found.append((_A, socket.inet_pton(socket.AF_INET, host.address)))
        if kind in (_AAAA, _ANY):
            found.append((_AAAA, socket.inet_pton(socket.AF_INET6, host.address6)))
    return [
        _THAT_NAME + struct.pack("!2HIH", each, _INTERNET, _KEPT, len(data)) + data
        for each, data in found
    ]
