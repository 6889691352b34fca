"""The peer's real stdin, stdout and stderr: pipes that the origin owns.

The kernel has the bytes as soon as the peer has written them. So the last output before a crash is
kept, and the output of a call is there when the call returns: the origin empties the pipes before
it hands out the reply.
"""

from __future__ import annotations

import contextlib
import os
import re
import threading
from functools import partial
from pathlib import Path
from selectors import EVENT_WRITE
from typing import IO

from ..core.clock import monotonic, seconds
from ..core.errors import quoted
from ..core.loop import loop
from ..core.sync import Event
from ..core.worker import run_all

#: `OutputStream.bytes` and `OutputStream.text` have no more; the log file has all of it.
_MOST_BYTES = 32 << 20
#: After the end of the peer, a stream keeps this many bytes in case its log file is removed.
_KEPT_BYTES = 1 << 18
#: Seconds between checks of a file for which someone waits: the kernel does not report its growth.
_FILE_POLL_SECONDS = 0.02
#: No pipe has more, unless root has changed fs.pipe-max-size.
_MOST_IN_A_PIPE = 1 << 20
_Bytes = bytes  # in `OutputStream` that is the property
#: `wait_for` looks this far back from what it has seen, for matches that came in pieces.
_OVERLAP = 1 << 16


class OutputStream:
    """The bytes that the peer wrote to its stdout or stderr.

    :param pipe: where they come from; ``None`` if the peer writes to the log file itself.
    :param log: the file with the whole stream. It is the memory of the stream too.
    """

    def __init__(self, pipe: IO[_Bytes] | None, log: Path) -> None:
        self._pipe = pipe
        self._fd = -1
        if pipe is not None:
            self._fd = pipe.fileno()
            os.set_blocking(self._fd, False)
        self._log = log.open("ab+" if pipe is not None else "rb", buffering=0)
        self._lock = threading.RLock()
        self._changed = Event()  # only its `wake` happens
        self._end = b""  # of the stream, when it is closed
        self._closed = False
        self._size = 0
        #: The file with the whole stream.
        self.path = log

    def watch(self) -> None:
        if self._pipe is not None:
            loop.add(self._fd, self._ready)

    @property
    def bytes(self) -> bytes:
        """The last 32 MiB of the stream."""
        self.drain()
        return self._since(0)

    @property
    def text(self) -> str:
        """`bytes` as text; those that are not UTF-8 are escaped."""
        return _decoded(self.bytes)

    @property
    def lines(self) -> list[str]:
        """The lines of `text`, without their ends."""
        return self.text.splitlines()

    @property
    def size(self) -> int:
        """The number of bytes so far."""
        with self._lock:
            return self._size if self._closed else os.fstat(self._log.fileno()).st_size

    def text_since(self, offset: int) -> str:
        """Return the text after the first `offset` bytes."""
        return _decoded(self._since(offset))

    def _since(self, offset: int) -> _Bytes:
        with self._lock:
            size = self.size
            start = max(0, offset, size - _MOST_BYTES)
            if not self._closed:
                return os.pread(self._log.fileno(), size - start, start)
        try:
            with self.path.open("rb") as log:
                log.seek(start)
                return log.read(size - start)
        except OSError:  # it has been removed
            return self._end[max(0, start - size + len(self._end)) :]

    def wait_for(
        self, pattern: str | re.Pattern[str], timeout: float | None = 5.0
    ) -> re.Match[str]:
        """Wait until `pattern` is found in the text, earlier text included.

        :param timeout: seconds, ``None`` for no limit.
        :raises TimeoutError: it did not come in time, or cannot come because the peer is down;
            shows the last lines.
        """
        limit = seconds("timeout", timeout)
        deadline = None if limit is None else monotonic() + limit
        regex = re.compile(pattern)
        seen = 0
        while True:
            self.drain()
            with self._lock:
                end, closed = self.size, self._closed
            # With one character more, and not from there on: ``^`` matches only where a line begins.
            start = max(0, seen - _OVERLAP - 1)
            match = regex.search(self.text_since(start), min(start, 1))
            if match is not None:
                return match
            seen = end
            left = None if deadline is None else deadline - monotonic()
            if closed or (left is not None and left <= 0):
                why = "the peer is down" if closed else f"not within {limit:g} s"
                tail = quoted("last output", self.text_since(self.size - 8192))
                raise TimeoutError(f"{regex.pattern!r} was not written: {why}\n{tail}")
            self._changed.wait_for(partial(self._differs, end), self._nap(left))

    def _differs(self, size: int) -> bool:
        return self._closed or self.size != size

    def _nap(self, left: float | None) -> float | None:
        if self._pipe is not None:
            return left
        return _FILE_POLL_SECONDS if left is None else min(_FILE_POLL_SECONDS, left)

    def drain(self) -> None:
        """Read the bytes that are in the pipe now.

        No more: a peer that never stops writing would hold the reader here.
        """
        with self._lock:
            if not self._closed and self._pipe is not None:
                self._read()

    def _ready(self) -> None:
        with self._lock:
            if not self._closed and not self._read():
                loop.remove(self._fd)

    def _read(self) -> bool:
        """Read once; return whether more may come."""
        try:
            data = os.read(self._fd, _MOST_IN_A_PIPE)
        except BlockingIOError:
            return True
        if data:
            with contextlib.suppress(OSError):  # a full disk must not take the link down
                self._log.write(data)
            self._changed.wake()
        return bool(data)

    def disown(self, null_fd: int) -> None:
        """Give up the pipe in a forked child: reading it would take bytes from the parent."""
        if self._pipe is not None:
            os.dup2(null_fd, self._fd, inheritable=False)
        self._lock = threading.RLock()  # another thread may have had the lock
        self._size = self.size
        self._closed = True

    def close(self) -> None:
        """Read the bytes that are in the pipe, and close it.

        This does not wait for an end of file: a descendant may hold the pipe.
        """
        if self._pipe is not None:
            loop.remove(self._fd)
        self.drain()
        with self._lock:
            if not self._closed:
                self._size = self.size
                self._end = self._since(self._size - _KEPT_BYTES)
                self._closed = True
                self._changed.wake()
                run_all(self._log.close, *([self._pipe.close] if self._pipe is not None else []))


class InputStream:
    """The peer's stdin. Only the event loop writes to it and closes it."""

    def __init__(self, pipe: IO[bytes], closed: str = "the peer's stdin is closed") -> None:
        self._pipe = pipe
        self._closed = closed  # what `write` says after the end
        self._fd = pipe.fileno()
        os.set_blocking(self._fd, False)
        self._waiting = bytearray()
        self._watched = False
        self._ending = False

    def write(self, text: str | bytes) -> None:
        """Write without waiting for the peer to read.

        :raises BrokenPipeError: stdin was closed, or the peer is down.
        """
        data = text.encode() if isinstance(text, str) else bytes(text)
        if self._ending:
            raise BrokenPipeError(self._closed)
        loop.call(partial(self._write, data))

    def close(self) -> None:
        """Have the peer read an end of file after the text so far."""
        if not self._ending:
            self._ending = True
            loop.call(self._write)

    def abandon(self) -> None:
        """Close at once, because the peer is down."""
        self._ending = True
        if not self._pipe.closed:
            loop.call(self._drop)

    def disown(self) -> None:
        """Give up the pipe in a forked child, which has no event loop for it."""
        self._ending = True
        self._pipe.close()

    def _drop(self) -> None:
        self._waiting.clear()
        if not self._pipe.closed:
            self._write()

    def _write(self, more: bytes = b"") -> None:
        if self._pipe.closed:  # the number of its descriptor may be another's
            raise BrokenPipeError(self._closed)
        self._waiting += more
        try:
            while self._waiting:
                del self._waiting[: os.write(self._fd, self._waiting)]
        except BlockingIOError:
            if not self._watched:
                self._watched = True
                loop.add(self._fd, self._write, EVENT_WRITE)
            return
        except BrokenPipeError:
            self._waiting.clear()  # a call or stop() says why
        if self._watched:
            self._watched = False
            loop.remove(self._fd)
        if self._ending and not self._pipe.closed:
            self._pipe.close()


def _decoded(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")
