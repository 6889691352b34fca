"""What the switch has seen, as a file that Wireshark and tcpdump read: pcap, with nanoseconds."""

from __future__ import annotations

import struct
from time import time_ns
from typing import NamedTuple

#: The name of the file.
FILE = "network.pcap"
#: The most bytes of a file.
MOST_BYTES = 64 << 20
#: So many bytes are written at once; a test that sends less has no file before its end.
_AT_ONCE = 1 << 20
_LONGEST_FRAME = 1 << 18
_ETHERNET = 1
_FILE_HEADER = struct.pack("=IHHiIII", 0xA1B23C4D, 2, 4, 0, 0, _LONGEST_FRAME, _ETHERNET)
_FRAME_HEADER = struct.Struct("=IIII")


class Captured(NamedTuple):
    """What a file has."""

    packets: int
    #: How many it has not, as it is full or could not be written.
    missing: int = 0
    #: Why not.
    why: str = ""


class Capture:
    """Writes frames to a file until that is full. Of one thread at a time."""

    def __init__(self, path: str, most: int = MOST_BYTES) -> None:
        self._path = path
        self._most = most
        self._size = len(_FILE_HEADER)  # of the file, when all has been written
        self._waiting: list[bytes] = [_FILE_HEADER]
        self._waiting_bytes = 0
        self._packets = self._written = self._missing = 0
        self._why = ""

    def take(self, frame: bytes) -> None:
        """Add a frame that has come now."""
        size = len(frame)
        added = size + _FRAME_HEADER.size
        if self._why or self._size + added > self._most:
            self._missing += 1
            self._why = self._why or f"it has {self._most >> 20} MB, the most"
            return
        seconds, rest = divmod(time_ns(), 1_000_000_000)
        self._waiting += _FRAME_HEADER.pack(seconds, rest, size, size), frame
        self._packets += 1
        self._size += added
        self._waiting_bytes += added
        if self._waiting_bytes >= _AT_ONCE:
            self.write()

    def write(self) -> Captured:
        """Write what has not been written yet; return what there is. Raises nothing."""
        if self._packets > self._written:
            try:
                with open(self._path, "ab") as file:
                    file.write(b"".join(self._waiting))
                self._written = self._packets
            except OSError as exc:  # the switch goes on
                self._missing += self._packets - self._written
                self._packets = self._written
                self._why = self._why or f"it could not be written: {exc.strerror}"
            self._waiting, self._waiting_bytes = [], 0
        return Captured(self._packets, self._missing, self._why)
