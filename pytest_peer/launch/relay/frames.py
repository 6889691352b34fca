"""The frames that both ends of a relay send, and the buffers for them.

A frame is one byte for its kind, four bytes of length, and data. Sent to the remote end as
source: Python 3.8 and the standard library only.
"""

from __future__ import annotations

import os

#: From the local end: bytes for the peer's link and stdin. An empty frame ends them.
LINK, STDIN = b"L", b"I"
#: A signal: its number, 1 if it is for the group, and a number that comes back in STOPPED.
SIGNAL = b"S"
#: The local end is still there.
ALIVE = b"A"
#: Seconds between two of these.
HEARTBEAT_SECONDS = 0.25
#: Seconds of silence after which the local end is gone. A busy machine may delay heartbeats.
SILENT_SECONDS = 3.0
#: From the remote end: bytes from the peer's link (also LINK), stdout and stderr; facts about the
#: peer; that it has stopped; how it has ended.
STDOUT, STDERR, BORN, STOPPED, EXIT = b"O", b"E", b"B", b"T", b"X"
#: So many bytes of LINK or STDIN were written, and there is room for as many more.
TAKEN = b"C"

#: The bytes of a kind that may be under way to a peer that does not read. Without a limit, no
#: signal would come through that makes it read again.
WINDOWS: dict[bytes, int] = {LINK: 1 << 20, STDIN: 1 << 16}
#: The bytes in one frame.
MOST = 1 << 16
#: A larger size is that of something else than a frame.
_LIMIT = 1 << 24
_HEAD = 5


def number(data: bytes | bytearray) -> int:
    """Decode one number of `packed`."""
    return int.from_bytes(data, "big")


def packed(*numbers: int) -> bytes:
    """Encode numbers in four bytes each."""
    return b"".join(each.to_bytes(4, "big") for each in numbers)


class Banner(Exception):
    """The data is not a frame: something else writes to the connection too."""


class Outgoing:
    """Frames that wait to be written to a non-blocking descriptor, and bytes before the first."""

    def __init__(self, fd: int, first: bytes = b"") -> None:
        self.fd: int = fd
        #: The bytes that wait.
        self.size: int = len(first)
        self._begun = first
        self._urgent: list[bytes] = []
        self._waiting: list[bytes] = []

    def add(self, kind: bytes, data: bytes = b"", *, urgent: bool = False) -> None:
        """Add a frame behind the others; an urgent one before those that have not been begun."""
        frame = kind + len(data).to_bytes(4, "big") + data
        self.size += len(frame)
        (self._urgent if urgent else self._waiting).append(frame)

    def write(self) -> None:
        """Write as much as there is room for.

        :raises OSError: the other end is closed.
        """
        while self.size:
            if not self._begun:
                self._begun = (self._urgent or self._waiting).pop(0)
            try:
                written = os.write(self.fd, self._begun)
            except BlockingIOError:
                return
            self.size -= written
            self._begun = self._begun[written:] if written < len(self._begun) else b""


class Incoming:
    """Takes bytes, returns frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """Return the frames that are complete now.

        :raises Banner: the data is not a frame; its argument is the data.
        """
        self._data += data
        found = []
        begin = 0
        while len(self._data) - begin >= _HEAD:
            kind = bytes(self._data[begin : begin + 1])
            size = number(self._data[begin + 1 : begin + _HEAD])
            if kind not in b"LISAOEBTXC" or size > _LIMIT:
                raise Banner(bytes(self._data[begin : begin + 200]))
            end = begin + _HEAD + size
            if len(self._data) < end:
                break
            found.append((kind, bytes(self._data[begin + _HEAD : end])))
            begin = end
        del self._data[:begin]
        return found


class BufferedPipe:
    """Bytes that wait to be written to a non-blocking descriptor, which is closed after them."""

    def __init__(self, fd: int) -> None:
        self.fd: int = fd
        self._parts: list[bytes] = []
        self._ending = False

    def add(self, data: bytes) -> None:
        """Add bytes; empty ones are the end."""
        if data:
            self._parts.append(data)
        else:
            self._ending = True

    @property
    def waits(self) -> bool:
        """Whether there is something to write, or to close."""
        return self.fd >= 0 and bool(self._parts or self._ending)

    def write(self) -> int:
        """Write as much as there is room for; return how much that was.

        What will not be read, because the other end is closed, counts as written.
        """
        done = 0
        while self._parts:
            part = self._parts[0]
            try:
                written = os.write(self.fd, part) if self.fd >= 0 else len(part)
            except BlockingIOError:
                return done
            except OSError:
                self.close()
                continue
            done += written
            self._parts.pop(0)
            if written < len(part):
                self._parts.insert(0, part[written:])
        if self._ending:
            self.close()
        return done

    def close(self) -> None:
        """Close the descriptor, and drop what waits."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1


class Output:
    """Everything for the origin in the order of its arrival: output comes before a reply.

    :param descriptors: where bytes of a kind are written.
    """

    def __init__(self, descriptors: dict[bytes, int]) -> None:
        #: The bytes that wait.
        self.size: int = 0
        self._descriptors = descriptors
        self._waiting: list[tuple[bytes, bytes]] = []

    @property
    def next_fd(self) -> int:
        """The descriptor that is written to next; -1 for none."""
        return self._descriptors[self._waiting[0][0]] if self._waiting else -1

    def add(self, kind: bytes, data: bytes) -> None:
        """Add bytes; empty ones are the end of their kind."""
        self._waiting.append((kind, data))
        self.size += len(data)

    def write(self) -> None:
        """Write as much as there is room for. Drop what has no reader."""
        written_all = 0
        for kind, data in self._waiting:
            fd = self._descriptors[kind]
            try:
                written = os.write(fd, data) if fd >= 0 and data else len(data)
            except BlockingIOError:
                break
            except OSError:
                written = len(data)
            if not data and fd >= 0:
                os.close(fd)
                self._descriptors[kind] = -1
            self.size -= written
            if written < len(data):
                self._waiting[written_all] = (kind, data[written:])
                break
            written_all += 1
        del self._waiting[:written_all]


def read(fd: int, size: int = MOST) -> bytes | None:
    """Return what can be read; ``None`` for nothing yet, empty at the end."""
    try:
        return os.read(fd, size)
    except BlockingIOError:
        return None
    except OSError:
        return b""
