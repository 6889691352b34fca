"""What the near end of a relay passes on to the origin."""

from __future__ import annotations

import os


class Output:
    """Everything for the origin, in the order in which it came: what a peer has printed is there before its answer."""

    def __init__(self, descriptors: dict[bytes, int]) -> None:
        self.size: int = 0
        self._descriptors = descriptors
        self._waiting: list[tuple[bytes, bytes]] = []

    @property
    def next_fd(self) -> int:
        """On which something waits to be written; -1 for none."""
        return self._descriptors[self._waiting[0][0]] if self._waiting else -1

    def add(self, kind: bytes, data: bytes) -> None:
        """Empty `data` is the end of it."""
        self._waiting.append((kind, data))
        self.size += len(data)

    def write(self) -> None:
        """As much as there is room for. What nobody reads is dropped."""
        written_all = 0
        for kind, data in self._waiting:
            fd = self._descriptors[kind]
            try:
                written = os.write(fd, data) if fd >= 0 and data else len(data)
            except BlockingIOError:
                break
            except OSError:
                written = len(data)
            if not data:
                self.close(kind)
            self.size -= written
            if written < len(data):
                self._waiting[written_all] = (kind, data[written:])
                break
            written_all += 1
        del self._waiting[:written_all]

    def close(self, kind: bytes) -> None:
        """There will be no more."""
        if self._descriptors[kind] >= 0:
            os.close(self._descriptors[kind])
            self._descriptors[kind] = -1


def own(fd: int) -> int:
    """The same pipe with a status of its own: not to block, which is nothing for the launcher, which has it too."""
    try:
        return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:  # no Linux, or no pipe
        return os.dup(fd)
