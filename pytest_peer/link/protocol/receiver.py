"""Read a descriptor, split the bytes into frames, and assemble messages.

Big parts are read straight into their place.
"""

from __future__ import annotations

import io
import os
from collections import deque
from typing import Any, Callable

from . import framing, messages
from .messages import MultipartMessage, Payload

#: One read of data that is not yet known to be big; a pipe holds as much.
READ_SIZE = 1 << 16
#: Read along with the end of a big part: the bytes behind it and the next header.
_SPARE = 1 << 12
#: Memory of this size and more comes from the system.
_MAPPED = 1 << 16


class FrameReceiver:
    """Receive what comes on a descriptor; one reader at a time.

    :param channel: the number of the channel of our items.
    :param on_message: called with kind, id and payload of a message.
    :param on_frame: called with code, channel and data of a frame that execnet handles.
    :param before: called after each read, before the data is parsed.
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
        #: Read and not yet parsed, in order; an empty chunk is the end of the file.
        self.chunks: deque[bytes] = deque()
        self._tail = b""  # the beginning of a header
        self._incoming: dict[tuple[int, int], Incoming] = {}
        # A frame that has come in part: the room for it, the position, how many bytes are missing,
        # how many to skip after them, and the next step.
        self._room: Any = None
        self._at = 0
        self._left = 0
        self._skip = 0
        self._then: Callable[[], object] | None = None
        self._spare = bytearray(_SPARE)

    def between_frames(self) -> bool:
        """Return whether no frame has come in part, and all that was read is parsed."""
        return self._then is None and not self._tail and not self.chunks

    def whole_reply(self, ident: int, data: bytes) -> tuple[int, bytes] | None:
        """Return kind and payload if `data` is the reply with that id and nothing else."""
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
        """Parse `chunks`.

        :raises EOFError: the other end has closed the link.
        """
        while self.chunks:
            data = self.chunks.popleft()
            if not data:
                raise EOFError("the other end has closed the link")
            self._feed(data)

    def pull(self) -> bool:
        """Read once, after `take`, and parse; return whether there is probably more.

        :raises EOFError: the other end has closed the link.
        :raises BlockingIOError: nothing has come, and the descriptor does not block.
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
        # Our channel carries only bytes objects: the other end is ours as well.
        return (
            code == framing.CHANNEL_DATA and channel == self._channel and length >= framing.SMALLEST
        )

    def _item(self, kind: int, flag: int, ident: int, part: bytes) -> None:
        """Handle an item that has come as a whole."""
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
        """Copy the beginning of `data` to its place, and return the rest."""
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
    """Do nothing after a part that has come as a whole."""


class Incoming:
    """A message of several segments while it comes; the first segment is the pickle.

    :param table: the part of its item TABLE.
    """

    def __init__(self, table: bytes) -> None:
        self._rooms: list[tuple[int, Any]] = []
        self._ends: list[int] = []
        for kind, size in messages.split_table(table):
            self._rooms.append((kind, _room(kind, size)))
            self._ends.append(size)
        self._current = 0
        self._filled = 0
        self._skip_full()

    def place(self, size: int) -> tuple[Any, int]:
        """Return the room for the next part of `size` bytes, see `view_of`, and an offset."""
        kind, room = self._rooms[self._current]
        start = self._filled
        if start + size > self._ends[self._current]:
            raise ValueError("a part of %d bytes does not fit into its segment" % size)
        if kind == messages.AS_BYTEARRAY:
            room += bytes(size)  # piece by piece: zeros for all of it would delay everything else
        self._filled += size
        self._skip_full()
        return room, start

    def _skip_full(self) -> None:
        while self._current < len(self._ends) and self._filled == self._ends[self._current]:
            self._current += 1
            self._filled = 0

    def complete(self) -> bool:
        """Return whether all parts have their place."""
        return self._current == len(self._ends)

    def payload(self) -> Payload:
        """Return the message, when it is complete."""
        done = [(kind, _made(kind, room)) for kind, room in self._rooms]
        data: bytes = done[0][1]
        return MultipartMessage(data, done[1:]) if len(done) > 1 else data


def _room(kind: int, size: int) -> Any:
    """Allocate writable memory, where possible without filling it with zeros at once."""
    if kind == messages.AS_BYTES:
        return io.BytesIO(bytes(size))  # hands over its bytes without a copy
    if kind == messages.AS_BYTEARRAY or size < _MAPPED:
        return bytearray() if kind == messages.AS_BYTEARRAY else bytearray(size)
    import mmap  # not at the top: most peers never need it

    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _made(kind: int, room: Any) -> Any:
    if kind == messages.AS_BYTES:
        return room.getvalue()
    return room if kind == messages.AS_BYTEARRAY else memoryview(room)


def view_of(room: Any) -> memoryview:
    """Return a view that the caller releases at once: it keeps a bytearray from growing."""
    return room.getbuffer() if isinstance(room, io.BytesIO) else memoryview(room)
