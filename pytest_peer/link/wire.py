"""The messages of the control link; the only shapes both sides know.

A message travels as one or more items of the channel. An item is a header and a part of the payload::

    kind: 1 byte | last part: 1 byte | id: 8 bytes | part

The id of an answer is the id of its request, so messages are told apart by kind and id.
"""

from __future__ import annotations

import struct

#: Raised with every change that an older agent would not understand.
PROTOCOL = 1

# from the origin
CALL = 1  # pickle of (function, args, kwargs)
CAST = 2  # the same; never answered
SHUTDOWN = 3  # b"halt" or b"finish"
STACKS = 4  # empty; answered by STACKS with text
# from the peer
READY = 10  # empty: the agent listens
RESULT = 11  # pickle of the value
RAISED = 12  # pickle of a description made by `codec.described`
# both ways
MESSAGE = 20  # for a mailbox: `named`

#: Exit status of a peer whose end of the link was closed under it.
LINK_LOST = 113

_HEADER = struct.Struct("!B?Q")
_NAME = struct.Struct("!H")

HEADER_SIZE = _HEADER.size


def item(kind: int, ident: int, last: bool, part: bytes) -> bytes:
    """One item of the channel; execnet takes nothing but real ``bytes``."""
    return _HEADER.pack(kind, last, ident) + part


def named(name: str, payload: bytes) -> bytes:
    """The payload of a MESSAGE: the mailbox's name in front, readable without unpickling."""
    encoded = name.encode("utf-8", "surrogatepass")
    return _NAME.pack(len(encoded)) + encoded + payload


def split_name(payload: bytes) -> tuple[str, bytes]:
    """The opposite of `named`."""
    (size,) = _NAME.unpack_from(payload)
    start = _NAME.size + size
    return payload[_NAME.size : start].decode("utf-8", "surrogatepass"), payload[start:]


class Assembly:
    """Puts messages together again; the parts of several may come interleaved."""

    def __init__(self) -> None:
        self._parts: dict[tuple[int, int], list[bytes]] = {}

    def add(self, data: bytes) -> tuple[int, int, bytes] | None:
        """Take an item; return ``(kind, id, payload)`` when it completes a message, else ``None``."""
        kind, last, ident = _HEADER.unpack_from(data)
        part = data[HEADER_SIZE:]
        key = (kind, ident)
        if last and key not in self._parts:
            return kind, ident, part
        parts = self._parts.setdefault(key, [])
        parts.append(part)
        if not last:
            return None
        del self._parts[key]
        return kind, ident, b"".join(parts)
