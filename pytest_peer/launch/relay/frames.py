"""What the two ends of a relay say to each other: frames of a kind, four bytes of length, and data.

Sent to the far end as source, so it is Python 3.8 and standard library.
"""

from __future__ import annotations

import os

#: From the near end: bytes for the peer's link and stdin, none at the end of it.
LINK, STDIN = b"L", b"I"
#: A signal: its number, 1 if it is for the group, and a number that comes back in STOPPED.
SIGNAL = b"S"
#: That the near end is still there, so often.
ALIVE = b"A"
PULSE_SECONDS = 0.25
#: After so long without a word there is no near end any more: a busy machine must not kill what is well.
SILENT_SECONDS = 3.0
#: From the far end: what the peer says on its link, stdout and stderr; who it is; that it has stopped; how it ended.
STDOUT, STDERR, BORN, STOPPED, EXIT = b"O", b"E", b"B", b"T", b"X"
#: So many bytes of LINK or STDIN have been taken over there, and there is room for as many more.
TAKEN = b"C"

#: How much of each may be on its way to a peer that does not read: a signal that makes it go on must still come through.
WINDOWS: dict[bytes, int] = {LINK: 1 << 20, STDIN: 1 << 16}
#: In one frame.
MOST = 1 << 16
#: A frame of more is none of ours.
_LIMIT = 1 << 24
_HEAD = 5


def number(data: bytes | bytearray) -> int:
    """What `packed` made of one."""
    return int.from_bytes(data, "big")


def packed(*numbers: int) -> bytes:
    """Four bytes for each."""
    return b"".join(each.to_bytes(4, "big") for each in numbers)


class Noise(Exception):
    """What came is no frame: something else writes there too."""


class Outgoing:
    """Frames that wait to be written to a non-blocking descriptor."""

    def __init__(self, fd: int) -> None:
        self.fd: int = fd
        #: Bytes that wait.
        self.size: int = 0
        self._begun = b""
        self._urgent: list[bytes] = []
        self._waiting: list[bytes] = []

    def add(self, kind: bytes, data: bytes = b"", *, urgent: bool = False) -> None:
        """Put a frame behind the others; an urgent one before those that have not been begun."""
        frame = kind + len(data).to_bytes(4, "big") + data
        self.size += len(frame)
        (self._urgent if urgent else self._waiting).append(frame)

    def write(self) -> None:
        """As much as there is room for.

        :raises OSError: nobody reads any more.
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
    """Takes bytes, gives frames."""

    def __init__(self) -> None:
        self._data = bytearray()

    def feed(self, data: bytes) -> list[tuple[bytes, bytes]]:
        """The frames that are complete now.

        :raises Noise: these are none.
        """
        self._data += data
        found = []
        begin = 0
        while len(self._data) - begin >= _HEAD:
            kind = bytes(self._data[begin : begin + 1])
            size = number(self._data[begin + 1 : begin + _HEAD])
            if kind not in b"LISAOEBTXC" or size > _LIMIT:
                raise Noise(bytes(self._data[begin : begin + 200]))
            end = begin + _HEAD + size
            if len(self._data) < end:
                break
            found.append((kind, bytes(self._data[begin + _HEAD : end])))
            begin = end
        del self._data[:begin]
        return found


class BufferedPipe:
    """Bytes that wait to be written to a non-blocking descriptor, which is closed behind the last of them."""

    def __init__(self, fd: int) -> None:
        self.fd: int = fd
        self._parts: list[bytes] = []
        self._ending = False

    def add(self, data: bytes) -> None:
        """Take them; none at the end."""
        if data:
            self._parts.append(data)
        else:
            self._ending = True

    @property
    def waits(self) -> bool:
        """Whether there is something to write, or to close."""
        return self.fd >= 0 and bool(self._parts or self._ending)

    def write(self) -> int:
        """As much as there is room for; returned is how much that was. What nobody reads counts as written."""
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
        """What still waits is for nobody."""
        if self.fd >= 0:
            os.close(self.fd)
        self.fd = -1
