"""Messages with big buffers: the pickle, and beside it what was not copied into it."""

from __future__ import annotations

import io
from typing import Any
from typing import Tuple
from typing import Union

from . import wire

#: A kind of `wire`, and the buffer or what was made of it.
Segment = Tuple[int, Any]


class Parcel:
    """A pickle in `data`, and in `segments` what it refers to by number."""

    __slots__ = ("data", "segments")

    def __init__(self, data: bytes, segments: list[Segment]) -> None:
        self.data: bytes = data
        self.segments: list[Segment] = segments

    def changeable(self) -> bool:
        """Whether later code may change what a segment says."""
        return any(type(buffer) is not bytes for _, buffer in self.segments)


#: What a message says.
Payload = Union[bytes, Parcel]


def kept(payload: Payload) -> Payload:
    """One that is not affected by what happens to its buffers later: those that may change are copied."""
    if not isinstance(payload, Parcel):
        return payload
    segments = [
        (kind, buffer if type(buffer) is bytes else bytes(buffer))
        for kind, buffer in payload.segments
    ]
    return Parcel(payload.data, segments)


def addressed(name: str, payload: Payload) -> Payload:
    """The payload of a MESSAGE to that mailbox; `split_address` is the opposite."""
    if isinstance(payload, Parcel):
        return Parcel(wire.named(name, payload.data), payload.segments)
    return wire.named(name, payload)


def split_address(payload: Payload) -> tuple[str, Payload]:
    """Mailbox and payload of a MESSAGE."""
    if isinstance(payload, Parcel):
        name, data = wire.split_name(payload.data)
        return name, Parcel(data, payload.segments)
    return wire.split_name(payload)


def decoded_text(payload: Payload) -> str:
    """What a STACKS says."""
    data = payload.data if isinstance(payload, Parcel) else payload
    return data.decode("utf-8", "backslashreplace")


class Incoming:
    """A message of several segments, of which the first is the pickle: makes room for them and knows what comes next."""

    def __init__(self, table: bytes) -> None:
        self._rooms: list[tuple[int, Any]] = []
        self._views: list[memoryview] = []
        for kind, size in wire.split_table(table):
            # A BytesIO gives its bytes away without copying them, and does not write zeros into them before.
            room: Any = bytearray(size) if kind == wire.AS_BYTEARRAY else io.BytesIO(bytes(size))
            self._rooms.append((kind, room))
            view = memoryview(room) if kind == wire.AS_BYTEARRAY else room.getbuffer()
            self._views.append(view)
        self._at = 0
        self._filled = 0
        self._skip_full()

    def room(self, size: int) -> memoryview:
        """Where the next part of `size` bytes goes."""
        view = self._views[self._at][self._filled : self._filled + size]
        if len(view) < size:
            raise ValueError("a part of %d bytes does not fit into its segment" % size)
        self._filled += size
        self._skip_full()
        return view

    def _skip_full(self) -> None:
        while self._at < len(self._views) and self._filled == len(self._views[self._at]):
            self._at += 1
            self._filled = 0

    def complete(self) -> bool:
        """Whether there is room for nothing more."""
        return self._at == len(self._views)

    def payload(self) -> Payload:
        """The message, when it is complete."""
        done: list[Segment] = []
        for (kind, room), view in zip(self._rooms, self._views):
            if kind == wire.AS_BUFFER:
                done.append((kind, view))
                continue
            view.release()
            done.append((kind, room if kind == wire.AS_BYTEARRAY else room.getvalue()))
        data: bytes = done[0][1]
        return Parcel(data, done[1:]) if len(done) > 1 else data
