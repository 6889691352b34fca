"""The frames that both ends of a relay send, and how they read and write them.

A frame is one byte for its kind, four bytes of length, and data. Sent to the remote end as
source: Python 3.8 and the standard library only.
"""

from __future__ import annotations

import os
import select
from _collections_abc import Iterable  # without `collections`, which would slow down every boot

#: From the local end: bytes for the peer's link and stdin. An empty frame ends them.
LINK, STDIN = b"L", b"I"
#: A signal: one byte with its number, and with `GROUP` if it is for the peer's group.
SIGNAL, GROUP = b"S", 0x80
#: The local end is still there.
ALIVE = b"A"
#: Seconds between two of these.
HEARTBEAT_SECONDS = 0.25
#: Seconds of silence after which the local end is gone. A busy machine may delay heartbeats.
SILENT_SECONDS = 3.0
#: From the remote end: bytes from the peer's link (also LINK), stdout and stderr; facts about the
#: peer; that a SIGSTOP for its group has stopped it; how it has ended.
STDOUT, STDERR, BORN, STOPPED, EXIT = b"O", b"E", b"B", b"T", b"X"

#: A larger size is that of something else than a frame.
_LIMIT = 1 << 24
_HEAD = 5


def frame(kind: bytes, data: bytes = b"") -> bytes:
    return kind + len(data).to_bytes(4, "big") + data


def parse(data: bytearray) -> tuple[bytes, bytes] | None:
    """Take the first frame out of `data`, if it is complete; raise ValueError if it is none."""
    if len(data) < _HEAD:
        return None
    kind, end = bytes(data[:1]), _HEAD + int.from_bytes(data[1:_HEAD], "big")
    if kind not in b"LISAOEBTX" or end > _LIMIT:
        raise ValueError(bytes(data[:200]))
    if len(data) < end:
        return None
    payload = bytes(data[_HEAD:end])
    del data[:end]
    return kind, payload


class Writer:
    """Bytes that wait to be written to non-blocking descriptors, in the order of their arrival."""

    def __init__(self) -> None:
        #: How many bytes wait, and the descriptors with the bytes for them.
        self.size: int = 0
        self.waiting: list[tuple[int, bytes]] = []
        #: Descriptors that are closed, or that nobody reads any more.
        self.lost: set[int] = set()

    def add(self, fd: int, data: bytes = b"") -> None:
        """Add bytes for a descriptor; without any, it is closed when its turn comes."""
        self.waiting.append((fd, data))
        self.size += len(data)

    def write(self) -> None:
        """Write as much as there is room for. Drop what has no reader."""
        while self.waiting:
            fd, data = self.waiting[0]
            written = len(data)
            try:
                if fd not in self.lost:
                    written = os.write(fd, data)
            except BlockingIOError:
                return
            except OSError:
                self.lost.add(fd)
            self.size -= written
            rest = data[written:]
            self.waiting[:1] = [(fd, rest)] if rest else []
            if not data and fd not in self.lost:
                os.close(fd)
                self.lost.add(fd)


def read(fd: int) -> bytes | None:
    """Return what can be read; ``None`` for nothing yet, empty at the end."""
    try:
        return os.read(fd, 1 << 20)  # all that is in a pipe: it has room for less
    except BlockingIOError:
        return None
    except OSError:
        return b""


def wait(readers: Iterable[int], writers: Iterable[Writer], seconds: float | None) -> set[int]:
    """Wait until something can be read or written; return the descriptors. Skip negative ones."""
    poll = select.poll()
    for fd in readers:
        if fd >= 0:
            poll.register(fd, select.POLLIN)
    for writer in writers:
        if writer.waiting:
            poll.register(writer.waiting[0][0], select.POLLOUT)
    return {fd for fd, _ in poll.poll(None if seconds is None else 1000 * seconds)}
