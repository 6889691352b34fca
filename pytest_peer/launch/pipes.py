"""The pipes that are a peer's stdin, stdout and stderr."""

from __future__ import annotations

import os
from typing import IO


class StandardPipes:
    """Both ends of three pipes, the descriptors of none inheritable."""

    def __init__(self) -> None:
        self._theirs: list[int] = []
        self._ours: list[IO[bytes]] = []
        try:
            for mode in ("wb", "rb", "rb"):
                read, write = os.pipe()
                ours, theirs = (write, read) if mode == "wb" else (read, write)
                self._theirs.append(theirs)
                self._ours.append(os.fdopen(ours, mode, buffering=0))
        except BaseException:
            self.close()
            raise

    @property
    def theirs(self) -> list[int]:
        """What the peer has as 0, 1 and 2."""
        return self._theirs

    @property
    def ours(self) -> tuple[IO[bytes], IO[bytes], IO[bytes]]:
        """The other ends; who takes them closes them."""
        stdin, stdout, stderr = self._ours
        return stdin, stdout, stderr

    def close_theirs(self) -> None:
        """After the process has got them: its end of file must reach us."""
        while self._theirs:
            os.close(self._theirs.pop())

    def close(self) -> None:
        """Nobody will use them."""
        self.close_theirs()
        for stream in self._ours:
            stream.close()
