"""What a detached peer has as stdin, stdout and stderr: nothing to read, and two files."""

from __future__ import annotations

import os
from pathlib import Path


class StandardFiles:
    """Opened for the peer, the descriptors of none inheritable.

    :param directory: where the files are.
    """

    def __init__(self, directory: Path) -> None:
        self.stdout: Path = directory / "stdout.log"
        self.stderr: Path = directory / "stderr.log"
        #: What the peer has as 0, 1 and 2.
        self.theirs: list[int] = []
        try:
            self.theirs.append(os.open(os.devnull, os.O_RDONLY))
            for path in (self.stdout, self.stderr):
                self.theirs.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))
        except BaseException:
            self.close()
            raise

    def close_theirs(self) -> None:
        """After the process has got them."""
        while self.theirs:
            os.close(self.theirs.pop())

    def close(self) -> None:
        """Nobody will use them."""
        self.close_theirs()
