"""Reads a descriptor, cuts what comes into frames, and puts messages together. Big parts are read straight into their place."""

from __future__ import annotations

import os
from collections import deque
from typing import Any
from typing import Callable

from . import framing
from . import messages
from .segments import Incoming
from .segments import Payload
from .segments import view_of

#: One reading of what is not yet known to be big; a pipe holds as much.
READ_SIZE = 1 << 16
#: Read along with the end of a big part: what stands behind it and the next head.
_SPARE = 1 << 12


class FrameReceiver:
    """For one reader at a time.

    :param channel: the number of the channel that our items come on.
    :param on_message: called with kind, id and payload of a message.
    :param on_frame: called with code, channel and data of a frame that is execnet's business.
    :param before: called when something was read, before it is looked at.
    """

    def __init__(
        self,
        fd: int,
        channel: int,
        on_message: Callable[[int, int, Payload], object],
        on_frame: Callable[[int, int, bytes], object],
        before: Callable[[], object] = lambda: None,
    ) -> None:
        self._fd = fd
        self._on_message = on_message
        self._on_frame = on_frame
        self._before = before
        self._channel = channel
        #: Read and not looked at, in order; an empty one is the end of the file.
        self.chunks: deque[bytes] = deque()
        self._tail = b""  # the beginning of a head
        self._incoming: dict[tuple[int, int], Incoming] = {}
        # A frame of which more is to come: in which room to put it and where, how much, how much to skip behind it, what to do then.
        self._room: Any = None
        self._at = 0
        self._left = 0
        self._skip = 0
        self._then: Callable[[], object] | None = None
        self._spare = bytearray(_SPARE)

    def between_frames(self) -> bool:
        """Whether nothing was read of which more is to come, or which nobody has looked at."""
        return self._then is None and not self._tail and not self.chunks

    def whole_answer(self, ident: int, data: bytes) -> tuple[int, bytes] | None:
        """Kind and payload if `data` is the answer with that id and nothing else."""
        if len(data) <= framing.ITEM.size:
            return None
        code, channel, size, _, _, kind, flag, found = framing.ITEM.unpack_from(data)
        if (
            found == ident
            and flag == messages.WHOLE
            and kind in messages.REPLY_KINDS
            and code == framing.CHANNEL_DATA
            and channel == self._channel
            and size + framing.FRAME.size == len(data)
        ):
            return kind, data[framing.ITEM.size : -1]
        return None

    def take(self) -> None:
        """Deal with what was read.

        :raises EOFError: the end.
        """
        while self.chunks:
            data = self.chunks.popleft()
            if not data:
                raise EOFError("the other end has closed the link")
            self._feed(data)

    def pull(self) -> bool:
        """Read once, after `take`, and deal with it; return whether more is probably there.

        :raises EOFError: the end.
        :raises BlockingIOError: nothing is there, and the descriptor does not block.
        """
        if not self._left:
            data = os.read(self._fd, READ_SIZE)
            count = len(data)
        else:
            with view_of(self._room) as view, view[self._at : self._at + self._left] as room:
                count = os.readv(self._fd, (room, self._spare))
            placed = min(count, self._left)
            self._advance(placed)
            if count and self._left:
                return True
            data = bytes(memoryview(self._spare)[: count - placed])
        if not count:
            raise EOFError("the other end has closed the link")
        self._feed(data)
        return self._then is not None or count == READ_SIZE

    def _feed(self, data: bytes) -> None:
        self._before()
        if self._then is not None:
            data = self._fill(data)
        if self._tail:
            data, self._tail = self._tail + data, b""
        at, size = 0, len(data)
        while size - at >= framing.FRAME.size:
            code, channel, length = framing.FRAME.unpack_from(data, at)
            start = at + framing.FRAME.size
            end = start + length
            if self._is_item(code, channel, length):
                if size - at < framing.ITEM.size:
                    break
                *_, kind, flag, ident = framing.ITEM.unpack_from(data, at)
                start = at + framing.ITEM.size
                if end <= size:
                    self._item(kind, flag, ident, data[start : end - 1])
                else:
                    self._begin_item(kind, flag, ident, end - 1 - start)
            elif end <= size:
                self._on_frame(code, channel, data[start:end])
            else:
                self._begin_frame(code, channel, length)
            if end > size:
                self._fill(data[start:])
                return
            at = end
        self._tail = data[at:]

    def _is_item(self, code: int, channel: int, length: int) -> bool:
        # On our channel there is nothing but bytes objects: the other end is ours as well.
        return (
            code == framing.CHANNEL_DATA and channel == self._channel and length >= framing.SMALLEST
        )

    def _item(self, kind: int, flag: int, ident: int, part: bytes) -> None:
        """An item is there as a whole."""
        if flag == messages.WHOLE:
            self._on_message(kind, ident, part)
            return
        if flag == messages.TABLE:
            self._incoming[kind, ident] = Incoming(part)
        else:
            self._begin(*self._incoming[kind, ident].place(len(part)), len(part), 0, _nothing)
            self._fill(part)
        self._complete(kind, ident)

    def _complete(self, kind: int, ident: int) -> None:
        if self._incoming[kind, ident].complete():
            self._on_message(kind, ident, self._incoming.pop((kind, ident)).payload())

    def _begin_item(self, kind: int, flag: int, ident: int, size: int) -> None:
        if flag == messages.PART:
            room, at = self._incoming[kind, ident].place(size)
            self._begin(room, at, size, 1, lambda: self._complete(kind, ident))
        else:
            part = bytearray(size)
            self._begin(part, 0, size, 1, lambda: self._item(kind, flag, ident, bytes(part)))

    def _begin_frame(self, code: int, channel: int, length: int) -> None:
        data = bytearray(length)
        self._begin(data, 0, length, 0, lambda: self._on_frame(code, channel, bytes(data)))

    def _begin(self, room: Any, at: int, size: int, skip: int, then: Callable[[], object]) -> None:
        self._room, self._at, self._left, self._skip, self._then = room, at, size, skip, then

    def _fill(self, data: bytes) -> bytes:
        """Put the beginning of `data` where it belongs, and return the rest."""
        count = min(len(data), self._left)
        if count:
            with view_of(self._room) as view:
                view[self._at : self._at + count] = memoryview(data)[:count]
            self._advance(count)
        end = count + self._skip
        if self._left or len(data) < end:
            return b""
        then, self._then = self._then, None
        assert then is not None
        then()
        return data[end:]

    def _advance(self, count: int) -> None:
        self._at += count
        self._left -= count
        if not self._left:
            self._room = None


def _nothing() -> None:
    """What follows a part that was there as a whole."""
