"""Processes watched until their end, by descriptors: another process may get the number."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import psutil

MARK = "PEER_TESTS_MARK"


class Watched:
    """Processes that live now. It ends those that do not end, when it is left."""

    def __init__(self, pids: Iterable[int]) -> None:
        self._fds: dict[int, int] = {}  # descriptor: pid
        self.words: dict[int, str] = {}
        #: When each was seen to have ended, as ``time.monotonic``; those missing live.
        self.ended: dict[int, float] = {}
        for pid in pids:
            with contextlib.suppress(ProcessLookupError, psutil.NoSuchProcess):  # it has just gone
                words = " ".join(psutil.Process(pid).cmdline()).strip()[-80:]
                self._fds[os.pidfd_open(pid)] = pid
                self.words[pid] = words

    def __enter__(self) -> Watched:
        return self

    def __exit__(self, *_: object) -> None:
        for fd in self._fds:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(fd, signal.SIGKILL)
            os.close(fd)

    def wait(self, seconds: float, wanted: Iterable[int] | None = None) -> None:
        """Wait until all have ended, or all of `wanted`; at most so long."""
        deadline = time.monotonic() + seconds
        missing = set(self._fds.values() if wanted is None else wanted)
        poll = select.poll()
        for fd, pid in self._fds.items():
            if pid not in self.ended:
                poll.register(fd, select.POLLIN)
        while missing - self.ended.keys():
            ended = poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
            if not ended:
                return
            for fd, _ in ended:
                self.ended[self._fds[fd]] = time.monotonic()
                poll.unregister(fd)

    def left(self, pids: Iterable[int]) -> list[str]:
        """Those of `pids` that live, in words."""
        return [
            f"{pid}: {self.words[pid]}" for pid in pids if pid in self.words.keys() - self.ended
        ]


def marked(value: str) -> Iterator[int]:
    """Yield the processes that have inherited the variable `MARK` with this value."""
    wanted = f"{MARK}={value}".encode()
    for environ in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):  # another's, or gone
            if wanted in environ.read_bytes().split(b"\0"):
                yield int(environ.parent.name)
