"""The least that the machine needs.

An interpreter that does nothing, a byte through two pipes and back, a copy in memory.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from systems.system import Line, System

PONG = "import os\nwhile data := os.read(0, 1): os.write(1, data)"


class Floor(System):
    name = "floor"
    offers = frozenset(["boot", "trips", "payload", "suite"])

    def boot(self) -> dict[str, float]:
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "pass"], check=True)
        return {"boot": time.perf_counter() - began}

    @contextmanager
    def line(self) -> Iterator[Line]:
        process = subprocess.Popen(
            [sys.executable, "-S", "-c", PONG], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        try:
            yield _Line(process)
        finally:
            process.communicate()


class _Line(Line):
    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._to, self._from = process.stdin.fileno(), process.stdout.fileno()
        self.pids = [process.pid]

    def trip(self) -> object:
        os.write(self._to, b"x")
        return os.read(self._from, 1)

    def push(self, payload: bytes) -> object:
        return bytearray(payload)

    def seconds_to_pull(self, size: int) -> float:
        return self.seconds_to_push(size)
