"""Frames of execnet that carry items of ours, packed and parsed without its help.

Nearly all that is on a link is ``CHANNEL_DATA`` of our one channel with one ``bytes`` object. Its three headers - execnet's frame,
execnet's serialisation of the bytes, ours (`wire`) - are of one size, so they are packed and parsed as one, and a big part is
neither joined nor sliced on its way. Tests hold this against execnet's own ``Message`` and ``dumps_internal`` (2.1.2, hence
``<3``). Every other frame is left to execnet.
"""

from __future__ import annotations

import struct
from typing import Any

from .streams import PipeStream

#: Of a frame: message code, channel, size of what follows.
FRAME = struct.Struct("!bii")
#: Of a frame with an item: that, execnet's opcode and size of a bytes object, and the kind, flag and id of `wire`.
ITEM = struct.Struct("!biicIBBQ")
CHANNEL_DATA = 4
#: The number of the first channel of the side that says what the other one executes.
FIRST_CHANNEL = 1
BYTES = b"A"
STOP = b"Q"
#: What an item has in front and behind within its frame, and within the bytes object.
_IN_FRAME = ITEM.size - FRAME.size + len(STOP)
_IN_BYTES = struct.calcsize("!BBQ")
#: The smallest frame that is an item of ours.
SMALLEST = _IN_FRAME


def head(channel: int, kind: int, flag: int, ident: int, size: int) -> bytes:
    """What stands before a part of `size` bytes; behind it comes `STOP`."""
    return ITEM.pack(
        CHANNEL_DATA, channel, _IN_FRAME + size, BYTES, _IN_BYTES + size, kind, flag, ident
    )


class Sender:
    """Sends items over `stream` as frames of `channel`.

    :param small: of parts up to this size the whole frame is written at once.
    """

    def __init__(self, stream: PipeStream, channel: int, small: int) -> None:
        self._stream = stream
        self._channel = channel
        self._small = small

    def send(self, kind: int, flag: int, ident: int, part: Any) -> None:
        """Send one item; BlockingIOError if it is small and there is no room for it now."""
        size = len(part)
        before = head(self._channel, kind, flag, ident, size)
        if size <= self._small:
            self._stream.write(before + part + STOP)
        else:
            self._stream.write_parts([before, part, STOP])
