"""Read captures of a network, with no code of the package."""

from __future__ import annotations

import struct

_ETHERNET = 1


def read(path):
    """Return the frames of a pcap file, each with its time in nanoseconds."""
    data = path.read_bytes()
    magic, major, minor, _, _, longest, link = struct.unpack_from("=IHHiIII", data)
    assert (magic, major, minor, link) == (0xA1B23C4D, 2, 4, _ETHERNET)
    found, at = [], 24
    while at < len(data):
        seconds, rest, size, whole = struct.unpack_from("=IIII", data, at)
        assert rest < 10**9
        assert size == whole <= longest
        frame = data[at + 16 : at + 16 + size]
        assert len(frame) == size
        found.append((seconds * 10**9 + rest, frame))
        at += 16 + size
    return found


def frames_of(path):
    """Return the frames of a pcap file."""
    return [frame for _, frame in read(path)]
