"""Two descriptors as the byte stream that execnet wants (its ``IO`` protocol)."""

from __future__ import annotations

import os
import select
import threading
from typing import IO
from typing import Any
from typing import Callable

#: A blocked writer looks this often whether the stream is being closed under it.
_CLOSING_POLL_MS = 100


class PipeStream:
    """Reads from a buffered `reader`, writes to the descriptor `write_fd`.

    The writing end is non-blocking: what is not longer than PIPE_BUF is written whole or not at all (pipe(7)), so an exception
    that a signal handler raises in the middle of a send cannot leave half a message on the link. Only longer data is waited for.

    :param on_end: called with what ended the reading, an end of file or an error, before execnet learns of it.
    """

    def __init__(
        self,
        reader: IO[bytes],
        write_fd: int,
        execmodel: Any,
        on_end: Callable[[Exception], object] | None = None,
    ) -> None:
        self._on_end = on_end
        self.execmodel = execmodel
        self._reader = reader
        self._write_fd = write_fd
        # Reentrant: a handler of a signal that comes in the middle of a write may write too, whole, before or after.
        self._writing = threading.RLock()
        self._closing = False
        os.set_blocking(write_fd, False)
        self._poll = select.poll()
        self._poll.register(write_fd, select.POLLOUT)

    def read(self, size: int) -> bytes:
        try:
            data = self._reader.read(size)
            if len(data) < size:
                raise EOFError("expected %d bytes, got %d" % (size, len(data)))
        except Exception as exc:
            if self._on_end is not None:
                self._on_end(exc)
            raise
        return data

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
                self._write_rest(memoryview(data)[written:])

    def _write_rest(self, view: memoryview) -> None:
        while view:
            if self._closing:
                raise BrokenPipeError("the link is closed")
            self._poll.poll(_CLOSING_POLL_MS)
            try:
                view = view[os.write(self._write_fd, view) :]
            except BlockingIOError:
                continue

    def wait_writable(self) -> None:
        """Wait until there is room for PIPE_BUF bytes, or the stream is closed, or a moment has passed."""
        self._poll.poll(_CLOSING_POLL_MS)

    def close_read(self) -> None:
        self._reader.close()

    def close_write(self) -> None:
        self._closing = True
        with self._writing:
            if self._write_fd >= 0:
                os.close(self._write_fd)
                self._write_fd = -1

    def disown(self, null_fd: int) -> None:
        """In a forked child: let go of the link without disturbing it; the process that owns it goes on."""
        os.dup2(null_fd, self._reader.fileno(), inheritable=False)
        if self._write_fd >= 0:
            os.dup2(null_fd, self._write_fd, inheritable=False)

    # The rest of execnet's protocol. The process is not its business.

    def wait(self) -> int | None:
        return None

    def kill(self) -> None:
        return None
