"""Frames of execnet that carry our items, packed and parsed without its help.

Nearly everything on a link is ``CHANNEL_DATA`` of our one channel with one ``bytes`` object. Its
three headers (execnet's frame, execnet's serialisation of the bytes, our item; see `messages`) have
a fixed size, so they are packed and parsed as one, and a big part is neither joined nor sliced.
Tests compare this with execnet's own ``Message`` and ``dumps_internal`` (2.1.2, hence ``<3``).
"""

import struct

#: A frame's header: message code, channel, size of the rest.
FRAME = struct.Struct("!bii")
#: The same, then execnet's opcode and size of a bytes object, then kind, flag and id of our item.
ITEM = struct.Struct("!biicIBBQ")
CHANNEL_DATA = 4
#: The number of our channel: the first one of the side that calls ``remote_exec``.
CHANNEL = 1
BYTES = b"A"
STOP = b"Q"
#: The bytes of an item around its part: within the frame, and within the bytes object.
IN_FRAME = ITEM.size - FRAME.size + len(STOP)
_IN_BYTES = struct.calcsize("!BBQ")


def head(kind: int, flag: int, ident: int, size: int) -> bytes:
    """Return the headers of a part of `size` bytes; `STOP` follows the part."""
    return ITEM.pack(
        CHANNEL_DATA, CHANNEL, IN_FRAME + size, BYTES, _IN_BYTES + size, kind, flag, ident
    )
