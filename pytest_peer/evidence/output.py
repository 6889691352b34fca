"""The peer's real stdin, stdout and stderr: pipes that the origin owns.

The bytes are in the kernel as soon as the peer has written them, so the last words of a crash are kept, and what a call
printed is there when it returns: the origin reads until nothing is left before it hands out the answer.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
import struct
import termios
import threading
from collections import deque
from pathlib import Path
from selectors import EVENT_WRITE
from typing import IO

from ..core.clock import monotonic
from ..core.errors import quoted
from ..core.loop import watcher
from ..core.sync import Condition
from ..core.timeouts import seconds
from ..core.unraisable import attempt

__tracebackhide__ = True

#: A stream keeps this much in memory; its log file has all of it.
KEPT_BYTES = 16 << 20
_READ_SIZE = 1 << 16
#: `wait_for` looks this far back from what it has seen already, for matches that came in pieces.
_OVERLAP = 1 << 16


class OutputStream:
    """What the peer wrote to its stdout or stderr.

    :param logged: whether what is read is written to `log`.
    """

    def __init__(self, pipe: IO[bytes], log: Path, *, logged: bool = True) -> None:
        self._pipe = pipe
        self._fd = pipe.fileno()
        os.set_blocking(self._fd, False)
        self._log = log.open("ab", buffering=0) if logged else None
        self._changed = Condition()
        self._kept = bytearray()
        self._dropped = 0
        self._closed = False
        #: Where the whole stream is kept.
        self.path = log

    def watch(self) -> None:
        """Begin to read."""
        watcher.add(self._fd, self._ready)

    @property
    def bytes(self) -> bytes:
        """What was written, at most the last 16 MiB of it."""
        self.drain()
        with self._changed:
            return bytes(self._kept)

    @property
    def text(self) -> str:
        """What was written, as text; bytes that are not UTF-8 are escaped."""
        return _decoded(self.bytes)

    @property
    def lines(self) -> list[str]:
        """The lines of `text`, without their ends."""
        return self.text.splitlines()

    @property
    def size(self) -> int:
        """How many bytes have come so far."""
        with self._changed:
            return self._dropped + len(self._kept)

    def text_since(self, offset: int) -> str:
        """What came after the first `offset` bytes."""
        with self._changed:
            return _decoded(bytes(self._kept[max(0, offset - self._dropped) :]))

    def wait_for(
        self, pattern: str | re.Pattern[str], timeout: float | None = 5.0
    ) -> re.Match[str]:
        """Wait until `pattern` is found in the text, which may be there already.

        :param timeout: seconds, ``None`` for no limit.
        :raises TimeoutError: it did not come, or cannot come any more because the peer is down; shows the last lines.
        """
        limit = seconds("timeout", timeout)
        deadline = None if limit is None else monotonic() + limit
        regex = re.compile(pattern)
        seen = 0
        while True:
            self.drain()
            with self._changed:
                end, closed = self._dropped + len(self._kept), self._closed
            match = regex.search(self.text_since(max(0, seen - _OVERLAP)))
            if match is not None:
                return match
            seen = end
            with self._changed:
                left = None if deadline is None else deadline - monotonic()
                if closed or (left is not None and left <= 0):
                    why = "the peer is down" if closed else f"not within {limit:g} s"
                    raise TimeoutError(
                        f"{regex.pattern!r} was not written: {why}\n{quoted('last output', self._tail())}"
                    )
                if self._dropped + len(self._kept) == end and not self._closed:
                    self._changed.wait(self._nap(left))

    def _nap(self, left: float | None) -> float | None:
        return left

    def _tail(self) -> str:
        return _decoded(bytes(self._kept[-8192:]))

    def drain(self) -> None:
        """Read what is in the pipe now; not more, so that a peer that never stops writing cannot hold us here."""
        with self._changed:
            if self._closed:
                return
            count = fcntl.ioctl(self._fd, termios.FIONREAD, b"\0\0\0\0")
            waiting = struct.unpack("i", count)[0]
            while waiting > 0:
                waiting -= self._read(min(waiting, _READ_SIZE)) or waiting

    def _ready(self) -> None:
        with self._changed:
            if not self._closed and self._read(_READ_SIZE) == 0:
                watcher.remove(self._fd)

    def _read(self, size: int) -> int:
        try:
            data = os.read(self._fd, size)
        except BlockingIOError:
            return -1
        if data:
            if self._log is not None:
                # A full disk must not take the link down; what was written is kept here too.
                with contextlib.suppress(OSError):
                    self._log.write(data)
            self._kept += data
            if len(self._kept) > 2 * KEPT_BYTES:  # twice, so that the copy is rare
                self._dropped += len(self._kept) - KEPT_BYTES
                del self._kept[:-KEPT_BYTES]
            self._changed.notify_all()
        return len(data)

    def disown(self, null_fd: int) -> None:
        """In a forked child: reading here would take it from the parent."""
        os.dup2(null_fd, self._fd, inheritable=False)
        self._changed = Condition()
        self._closed = True

    def close(self) -> None:
        """Take what is left and close. An end of file is not awaited: a descendant may hold the pipe."""
        watcher.remove(self._fd)
        self.drain()
        with self._changed:
            if not self._closed:
                self._closed = True
                self._changed.notify_all()
                attempt(self._pipe.close, *([self._log.close] if self._log is not None else []))


class InputStream:
    """The peer's stdin."""

    def __init__(self, pipe: IO[bytes]) -> None:
        self._pipe = pipe
        self._fd = pipe.fileno()
        os.set_blocking(self._fd, False)
        self._lock = threading.RLock()
        self._waiting: deque[memoryview] = deque()
        self._watched = False
        self._ending = False

    def write(self, text: str | bytes) -> None:
        """Write; never waits for the peer to read.

        :raises BrokenPipeError: stdin was closed, or the peer is down.
        """
        data = text.encode() if isinstance(text, str) else bytes(text)
        with self._lock:
            if self._ending:
                raise BrokenPipeError("the peer's stdin is closed")
            self._waiting.append(memoryview(data))
            self._write()

    def close(self) -> None:
        """The peer reads an end of file after what was written."""
        with self._lock:
            self._ending = True
            self._write()

    def abandon(self) -> None:
        """Close at once: the peer is down."""
        with self._lock:
            self._ending = True
            self._waiting.clear()
            self._write()

    def disown(self, null_fd: int) -> None:
        """In a forked child: it is not ours to close."""
        if not self._pipe.closed:  # else the number may be another's
            os.dup2(null_fd, self._fd, inheritable=False)
        self._lock = threading.RLock()
        self._waiting.clear()
        self._ending = True

    def _writable(self) -> None:
        # The watcher holds its own lock here and a writer may be waiting for that one: come back rather than wait.
        if self._lock.acquire(blocking=False):
            try:
                self._write()
            finally:
                self._lock.release()

    def _write(self) -> None:
        with self._lock:
            while self._waiting:
                try:
                    written = os.write(self._fd, self._waiting[0])
                except BlockingIOError:
                    if not self._watched:
                        self._watched = True
                        watcher.add(self._fd, self._writable, EVENT_WRITE)
                    return
                except BrokenPipeError:
                    self._waiting.clear()  # nobody will read it; a call or stop() tells why
                    break
                self._waiting[0] = self._waiting[0][written:]
                if not self._waiting[0]:
                    self._waiting.popleft()
            if self._watched:
                self._watched = False
                watcher.remove(self._fd)
            if self._ending and not self._pipe.closed:
                self._pipe.close()


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
