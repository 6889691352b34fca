"""Processes marked by a variable of their environment, in containers too."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from pytest_peer import eventually

NAME = "PEER_TEST_TRACE"


@dataclass(frozen=True)
class Trace:
    """A value that nothing else has."""

    value: str

    @property
    def env(self) -> dict[str, str]:
        return {NAME: self.value}

    def pids(self) -> list[int]:
        """The processes that run and have it."""
        wanted = f"{NAME}={self.value}".encode()
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            try:
                if wanted in (entry / "environ").read_bytes().split(b"\0"):
                    found.append(int(entry.name))
            except OSError:
                continue
        return [pid for pid in found if pid != os.getpid()]

    def assert_gone(self, within: float) -> None:
        """None of them runs any more, or will after `within` seconds."""

        def gone() -> None:
            left = [Path(f"/proc/{pid}/cmdline").read_bytes() for pid in self.pids()]
            assert not left

        eventually(gone, within)
