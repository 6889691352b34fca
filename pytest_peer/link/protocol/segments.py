"""Messages with big buffers: the pickle, and beside it what was not copied into it."""

from __future__ import annotations

import io
from typing import Any
from typing import Tuple
from typing import Union

from . import messages

#: Memory of this size and more comes from the system.
_MAPPED = 1 << 16

#: A kind of `wire`, and the buffer or what was made of it.
Segment = Tuple[int, Any]


class MultipartMessage:
    """A pickle in `data`, and in `segments` what it refers to by number."""

    __slots__ = ("data", "segments")

    def __init__(self, data: bytes, segments: list[Segment]) -> None:
        self.data: bytes = data
        self.segments: list[Segment] = segments

    def changeable(self) -> bool:
        """Whether later code may change what a segment says."""
        return any(type(buffer) is not bytes for _, buffer in self.segments)


#: What a message says.
Payload = Union[bytes, MultipartMessage]


def kept(payload: Payload) -> Payload:
    """One that is not affected by what happens to its buffers later: those that may change are copied."""
    if not isinstance(payload, MultipartMessage):
        return payload
    segments = [
        (kind, buffer if type(buffer) is bytes else bytes(buffer))
        for kind, buffer in payload.segments
    ]
    return MultipartMessage(payload.data, segments)


def addressed(name: str, payload: Payload) -> Payload:
    """The payload of a MESSAGE to that mailbox; `split_address` is the opposite."""
    if isinstance(payload, MultipartMessage):
        return MultipartMessage(messages.named(name, payload.data), payload.segments)
    return messages.named(name, payload)


def split_address(payload: Payload) -> tuple[str, Payload]:
    """Mailbox and payload of a MESSAGE."""
    if isinstance(payload, MultipartMessage):
        name, data = messages.split_name(payload.data)
        return name, MultipartMessage(data, payload.segments)
    return messages.split_name(payload)


def decoded_text(payload: Payload) -> str:
    """What a STACKS says."""
    data = payload.data if isinstance(payload, MultipartMessage) else payload
    return data.decode("utf-8", "backslashreplace")


class Incoming:
    """A message of several segments, of which the first is the pickle: makes room for them and knows what comes next."""

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
        """Where the next part of `size` bytes goes: for `view_of`, and an offset."""
        kind, room = self._rooms[self._current]
        start = self._filled
        if start + size > self._ends[self._current]:
            raise ValueError("a part of %d bytes does not fit into its segment" % size)
        if kind == messages.AS_BYTEARRAY:
            room += bytes(size)  # bit by bit, because zeros for all of it would hold up everybody
        self._filled += size
        self._skip_full()
        return room, start

    def _skip_full(self) -> None:
        while self._current < len(self._ends) and self._filled == self._ends[self._current]:
            self._current += 1
            self._filled = 0

    def complete(self) -> bool:
        """Whether there is room for nothing more."""
        return self._current == len(self._ends)

    def payload(self) -> Payload:
        """The message, when it is complete."""
        done = [(kind, _made(kind, room)) for kind, room in self._rooms]
        data: bytes = done[0][1]
        return MultipartMessage(data, done[1:]) if len(done) > 1 else data


def _room(kind: int, size: int) -> Any:
    """Writable memory, not filled with zeros at once where that can be had."""
    if kind == messages.AS_BYTES:
        return io.BytesIO(bytes(size))  # gives its bytes away without copying them
    if kind == messages.AS_BYTEARRAY or size < _MAPPED:
        return bytearray() if kind == messages.AS_BYTEARRAY else bytearray(size)
    import mmap  # not at the top: most peers never need it

    return mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)


def _made(kind: int, room: Any) -> Any:
    if kind == messages.AS_BYTES:
        return room.getvalue()
    return room if kind == messages.AS_BYTEARRAY else memoryview(room)


def view_of(room: Any) -> memoryview:
    """A view to be released at once: while there is one, a bytearray cannot grow."""
    return room.getbuffer() if isinstance(room, io.BytesIO) else memoryview(room)
