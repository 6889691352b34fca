"""The messages of the control link; the only shapes both sides know.

A message travels as one or more items of the channel. An item is a header and a part::

    kind: 1 byte | flag: 1 byte | id: 8 bytes | part

A message of one item has the flag WHOLE, and its part is the payload. A longer one, or one with big buffers beside its pickle, is
a list of segments: first an item TABLE that tells their kinds and sizes, so that the receiver can make room for each at once, then
items PART with their bytes, none of which belongs to two segments. Items of several messages may come interleaved.

The id of an answer is the id of its request, so messages are told apart by kind and id.
"""

from __future__ import annotations

import struct
from typing import Sequence

#: Raised with every change that an older agent would not understand.
PROTOCOL = 3
#: The protocol of pickle; Python 3.8 knows it as well.
PICKLE = 5

# from the origin
CALL = 1  # pickle of (function, args, kwargs)
CAST = 2  # the same; never answered
SHUTDOWN = 3  # b"halt" or b"finish"
STACKS = 4  # empty; answered by STACKS with text
RESPONSE = 5  # pickle of what was asked for
MODULES = 6  # marshalled: modules of the origin's that it has not told of; see `modules`
# from the peer
READY = 10  # empty: the agent listens
RESULT = 11  # pickle of the value
EXCEPTION = 12  # pickle of a description made by `describing`
REQUEST = 13  # pickle of (what, arguments); answered by ANSWER
WARNING = 14  # pickle of a warning of the call with that id; before its answer
# both ways
MESSAGE = 20  # for a mailbox: `named`

#: What answers a request of the origin's, which has the same id.
REPLY_KINDS = frozenset({STACKS, RESULT, EXCEPTION})

# flags
PART = 0
WHOLE = 1
TABLE = 2

# kinds of segments: what the receiver makes of the bytes
AS_BYTES = 0
AS_BYTEARRAY = 1
AS_BUFFER = 2  # for a memoryview
AS_PICKLEBUFFER = 3  # the same, for what pickle makes around it

#: Exit status of a peer whose end of the link was closed under it.
LINK_LOST = 113

_NAME = struct.Struct("!H")
_SEGMENT = struct.Struct("!BQ")


def named(name: str, pickled: bytes) -> bytes:
    """What a MESSAGE says: the mailbox's name in front of the pickle, readable without unpickling."""
    encoded = name.encode("utf-8", "surrogatepass")
    return _NAME.pack(len(encoded)) + encoded + pickled


def split_name(payload: bytes) -> tuple[str, bytes]:
    """The opposite of `named`."""
    (size,) = _NAME.unpack_from(payload)
    start = _NAME.size + size
    return payload[_NAME.size : start].decode("utf-8", "surrogatepass"), payload[start:]


def table(segments: Sequence[tuple[int, int]]) -> bytes:
    """The part of an item TABLE, of every segment's kind and size."""
    return b"".join([_SEGMENT.pack(kind, size) for kind, size in segments])


def split_table(part: bytes) -> list[tuple[int, int]]:
    """The opposite of `table`."""
    return [(kind, size) for kind, size in _SEGMENT.iter_unpack(part)]
