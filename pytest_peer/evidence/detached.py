"""The standard streams of a detached peer, which writes to files itself."""

from __future__ import annotations

import os
from pathlib import Path

from .output import InputStream
from .output import OutputStream
from .stdio import StandardStreams

#: Nothing tells of a file that it has grown: who waits for output looks so often.
_LOOK_SECONDS = 0.02


class FileOutput(OutputStream):
    """What the peer wrote to a file; read when somebody asks."""

    def __init__(self, path: Path) -> None:
        super().__init__(path.open("rb", buffering=0), path, logged=False)

    def watch(self) -> None:
        """There is nothing to watch."""

    def _nap(self, left: float | None) -> float | None:
        return _LOOK_SECONDS if left is None else min(_LOOK_SECONDS, left)


class NoInput(InputStream):
    """The stdin of a peer that has none: it reads an end of file."""

    def __init__(self) -> None:
        super().__init__(os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb", buffering=0))
        self.close()

    def write(self, text: str | bytes) -> None:  # noqa: ARG002 - as every stdin has it
        """Not possible.

        :raises BrokenPipeError: always.
        """
        raise BrokenPipeError("a detached peer has no stdin: it reads an end of file there")


class DetachedStreams(StandardStreams):
    """All three; the files are there already."""

    def __init__(self, stdout: Path, stderr: Path) -> None:
        self.stdin: InputStream = NoInput()
        self.stdout: OutputStream = FileOutput(stdout)
        self.stderr: OutputStream = FileOutput(stderr)
        self.descriptors: tuple[int, ...] = ()

    def drain(self) -> None:
        """Whoever asks reads what is in the files then."""
