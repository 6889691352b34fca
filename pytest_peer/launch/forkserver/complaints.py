"""What a fork server writes: nothing, unless something is wrong."""

from __future__ import annotations

import os
from typing import IO

from ...core.loop import watcher

_KEPT = 1 << 16


class ServerLog:
    """Read by the watcher, the end of it kept.

    :param pipe: stdout and stderr of the server; closed by `close`.
    """

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._written = bytearray()
        os.set_blocking(pipe.fileno(), False)

    def watch(self) -> None:
        """Begin to read."""
        watcher.add(self._pipe.fileno(), self._read)

    def _read(self) -> None:
        fd = self._pipe.fileno()
        try:
            data = os.read(fd, _KEPT)
        except BlockingIOError:
            return
        if not data:
            watcher.remove(fd)
        self._written = (self._written + data)[-_KEPT:]

    def close(self) -> None:
        """Take what is left."""
        watcher.remove(self._pipe.fileno())
        self._read()
        self._pipe.close()

    def disown(self) -> None:
        """In a forked child."""
        self._pipe.close()

    def told(self) -> str:
        """As the end of a message; empty if there is nothing to tell."""
        text = self._written.decode("utf-8", "backslashreplace").strip()
        return f"; its output:\n{text}" if text else ""
