"""Read a descriptor and assemble messages from frames; big parts go straight into their place."""

from __future__ import annotations

import io
from collections import deque
from functools import partial
from typing import Any, Callable

from . import framing, messages
from .messages import MultipartMessage, Payload
from .unpatched import os

#: One read of data that is not yet known to be big; a pipe holds as much.
READ_SIZE = 1 << 16
#: Read along with the end of a big part: the bytes behind it and the next header.
_SPARE = 1 << 12
_NO_ROOM = memoryview(b"")
_OURS = (framing.CHANNEL_DATA, framing.CHANNEL)
#: What becomes of the room for a segment; a memoryview, where this says nothing.
_FINISH: dict[int, Any] = {
    messages.AS_BYTES: io.BytesIO.getvalue,
    messages.AS_BYTEARRAY: lambda room: room,
}


class FrameReceiver:
    """Receive what comes on a descriptor; one reader at a time.

    :param on_message: called with kind, id and payload of a message. Other frames of execnet are
        skipped: those that come, to start and to end our channel, say nothing new.
    :param before: called after each read, before the data is parsed.
    """

    def __init__(
        self,
        fd: int,
        on_message: Callable[[int, int, Payload], object],
        before: Callable[[], object] = lambda: None,
    ) -> None:
        self._fd = fd
        self._on_message = on_message
        self._before = before
        #: Read and not yet parsed, in order; an empty chunk is the end of the file.
        self.chunks: deque[bytes] = deque()
        self._tail: bytes = b""  # the beginning of a header
        self._incoming: dict[tuple[int, int], Incoming] = {}
        # Of a frame that has come in part: room for the rest, bytes to skip then, the next step.
        self._room = _NO_ROOM
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
        *_, kind, _, _ = framing.ITEM.unpack_from(data)
        size = len(data) - framing.ITEM.size - len(framing.STOP)
        head = framing.head(kind, messages.WHOLE, ident, size)
        if kind in messages.REPLY_KINDS and data.startswith(head):
            return kind, data[framing.ITEM.size : -1]
        return None

    def take(self) -> None:
        """Parse `chunks`; raise EOFError if the other end has closed the link."""
        while self.chunks:
            try:
                data = self.chunks.popleft()
            except IndexError:  # the main thread has found its reply in it
                return
            if not data:
                raise EOFError("the other end has closed the link")
            self._feed(data)

    def pull(self) -> bool:
        """Read once, after `take`, and parse; return whether there is more, or raise EOFError."""
        if not self._room:
            data = os.read(self._fd, READ_SIZE)
            count = len(data)
        else:
            count = os.readv(self._fd, (self._room, self._spare))
            behind = max(0, count - len(self._room))
            self._room = self._room[count:]
            if count and self._room:
                return True
            data = bytes(self._spare[:behind])
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
        self._parse(data)

    def _parse(self, data: Any) -> None:
        at, size = 0, len(data)
        kind = flag = ident = 0
        while size - at >= framing.FRAME.size:
            code, channel, length = framing.FRAME.unpack_from(data, at)
            start = at + framing.FRAME.size
            end = start + length
            # Our channel carries only bytes objects: the other end is ours as well.
            ours = (code, channel) == _OURS and length >= framing.IN_FRAME
            if ours:
                if size - at < framing.ITEM.size:
                    break
                *_, kind, flag, ident = framing.ITEM.unpack_from(data, at)
                start = at + framing.ITEM.size
                if flag == messages.PART:
                    self._room = self._incoming[kind, ident].place(end - 1 - start)
                    self._skip, self._then = 1, partial(self._complete, kind, ident)
                    data = self._fill(data[start:])
                    at, size = 0, len(data)
                    continue
            if end > size:
                self._room = whole = memoryview(bytearray(end - at))
                self._skip, self._then = 0, partial(self._parse, whole)
                self._fill(data[at:])
                return
            if ours and flag == messages.TABLE:
                self._incoming[kind, ident] = Incoming(data[start : end - 1])
                self._complete(kind, ident)
            elif ours:
                self._on_message(kind, ident, bytes(data[start : end - 1]))
            at = end
        self._tail = data[at:]

    def _fill(self, data: bytes) -> bytes:
        """Copy the beginning of `data` to its room, and return the rest."""
        count = min(len(data), len(self._room))
        self._room[:count] = data[:count]
        self._room = self._room[count:]
        end = count + self._skip
        if self._room or len(data) < end:
            return b""
        then, self._then, self._room = self._then, None, _NO_ROOM
        assert then is not None
        then()
        return data[end:]

    def _complete(self, kind: int, ident: int) -> None:
        if not self._incoming[kind, ident].to_fill:
            self._on_message(kind, ident, self._incoming.pop((kind, ident)).payload())


class Incoming:
    """A message of the segments in its item TABLE, while it comes; the first one is the pickle."""

    def __init__(self, table: bytes) -> None:
        self._rooms: list[tuple[int, Any, int]] = []
        for kind, size in messages.SEGMENT.iter_unpack(table):
            # `BytesIO` hands over its bytes without a copy. A bytearray grows piece by piece: zeros
            # for all of it would delay everything else.
            room = io.BytesIO(bytes(size)) if kind == messages.AS_BYTES else bytearray()
            self._rooms.append((kind, room, size))
        #: Those that have not come whole.
        self.to_fill: deque[tuple[int, Any, int]] = deque(each for each in self._rooms if each[2])
        self._filled = 0  # of the first of them

    def place(self, size: int) -> memoryview:
        """Return the room for the next part of `size` bytes; release it before the next call."""
        kind, room, whole = self.to_fill[0]
        start, end = self._filled, self._filled + size
        if kind != messages.AS_BYTES:
            room += bytes(size)
        self._filled = end
        if end == whole:
            self.to_fill.popleft()
            self._filled = 0
        view: memoryview = room.getbuffer() if kind == messages.AS_BYTES else memoryview(room)
        return view[start:end]

    def payload(self) -> Payload:
        made = [(kind, _FINISH.get(kind, memoryview)(room)) for kind, room, _ in self._rooms]
        data: bytes = made[0][1]
        return MultipartMessage(data, made[1:]) if len(made) > 1 else data
