"""The descriptors of a link as the byte stream that execnet wants (its ``IO`` protocol); of that, what only writes.

Reading is not execnet's: `receiver` does it.
"""

from __future__ import annotations

import os
import select
import sys
import threading
from typing import Any
from typing import Union

#: A blocked writer looks this often whether the stream is being closed under it.
_CLOSING_POLL_MS = 100
#: For who writes to see that it is closed. If a signal's handler has interrupted it, and waits for this, it sees it before it writes.
_HELD_SECONDS = 1.0
#: Linux: the capacity of a pipe. Python knows the name since 3.10.
_F_SETPIPE_SZ = 1031
_WIDE = 1 << 20

Buffer = Union[bytes, memoryview]


class PipeStream:
    """Writes to the descriptor `write_fd`; owns it and `read_fd`.

    The writing end is non-blocking: what is not longer than PIPE_BUF is written whole or not at all (pipe(7)), so an exception
    that a signal handler raises in the middle of a send cannot leave half a message on the link. Only longer data is waited for.
    """

    def __init__(self, read_fd: int, write_fd: int, execmodel: Any) -> None:
        self.execmodel = execmodel
        self._read_fd = read_fd
        self._write_fd = write_fd
        # Reentrant: a handler of a signal that comes in the middle of a write may write too, whole, before or after.
        self._writing = threading.RLock()
        self._closing = False
        self._widened = not sys.platform.startswith("linux")
        self._poll = select.poll()
        self._poll.register(write_fd, select.POLLOUT)
        self._prepare()

    def _prepare(self) -> None:
        os.set_blocking(self._write_fd, False)

    def read(self, size: int) -> bytes:
        raise NotImplementedError("execnet does not read this link")

    def write(self, data: bytes) -> None:
        """Write `data`; BlockingIOError if it is short and there is no room for it now."""
        with self._writing:
            if self._closing:
                raise BrokenPipeError("the link is closed")
            try:
                written = os.write(self._write_fd, data)
            except BlockingIOError:
                if len(data) <= select.PIPE_BUF:
                    raise
                written = 0
            if written < len(data):
                self._write_all([memoryview(data)[written:]])

    def write_parts(self, parts: list[Buffer]) -> None:
        """Write several buffers behind each other; waits until they are written."""
        with self._writing:
            if self._closing:
                raise BrokenPipeError("the link is closed")
            if not self._widened:
                self._widen()
            self._write_all(parts)

    def _widen(self) -> None:
        # A pipe of 64 KiB makes both sides wait for each other at every turn. Not before it is needed: the kernel gives a user
        # only so much of that, and then refuses.
        self._widened = True
        try:
            import fcntl  # not at the top: most peers never need it

            fcntl.fcntl(self._write_fd, _F_SETPIPE_SZ, _WIDE)
        except (ImportError, OSError):
            pass

    def _write_all(self, parts: list[Buffer]) -> None:
        while parts:
            if self._closing:
                raise BrokenPipeError("the link is closed")
            try:
                written = os.writev(self._write_fd, parts)
            except BlockingIOError:
                self._poll.poll(_CLOSING_POLL_MS)
                continue
            while parts and written >= len(parts[0]):
                written -= len(parts.pop(0))
            if written:
                parts[0] = memoryview(parts[0])[written:]

    def wait_writable(self) -> None:
        """Wait until there is room for PIPE_BUF bytes, or the stream is closed, or a moment has passed."""
        self._poll.poll(_CLOSING_POLL_MS)

    def close_read(self) -> None:
        if self._read_fd >= 0:
            os.close(self._read_fd)
            self._read_fd = -1

    def close_write(self) -> None:
        self._closing = True
        held = self._writing.acquire(timeout=_HELD_SECONDS)
        try:
            if self._write_fd >= 0:
                os.close(self._write_fd)
                self._write_fd = -1
        finally:
            if held:
                self._writing.release()

    def disown(self, null_fd: int) -> None:
        """In a forked child: let go of the link without disturbing it; the process that owns it goes on."""
        for fd in (self._read_fd, self._write_fd):
            if fd >= 0:
                os.dup2(null_fd, fd, inheritable=False)

    # The rest of execnet's protocol. The process is not its business.

    def wait(self) -> int | None:
        return None

    def kill(self) -> None:
        return None
