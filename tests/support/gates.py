"""Gates: a peer or its launcher waits there until the test lets it go on."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path


class Gate:
    """A named pipe: a reader waits for its writer."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)
        self._fd = -1
        os.mkfifo(path)

    def launcher(self, program: Sequence[str] = (sys.executable,)) -> list[str]:
        """What an ``exec`` needs to wait at this gate before it becomes `program`."""
        return ["/bin/sh", "-c", 'read line <"$0"; exec "$@"', self.path, *program]

    def wait_reached(self) -> None:
        """Wait until a process waits at the gate."""
        if self._fd < 0:
            self._fd = os.open(self.path, os.O_WRONLY)

    def open(self) -> None:
        """Let all that wait, or come, go on."""
        self.wait_reached()
        self.close()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def pass_gate(path: str) -> None:
    """Wait until it is open; for functions in a peer."""
    with open(path) as gate:
        gate.read()
