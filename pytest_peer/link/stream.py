"""Two descriptors as the byte stream that execnet wants (its ``IO`` protocol)."""

from __future__ import annotations

import os
import select
import threading
from typing import IO
from typing import Any

#: A blocked writer looks this often whether the stream is being closed under it.
_CLOSING_POLL_MS = 100


class PipeStream:
    """Reads from a buffered `reader`, writes to the descriptor `write_fd`.

    The writing end is non-blocking, so that a caller can ask first whether a small message goes through at once. One that is
    not longer than PIPE_BUF is then written whole or not at all (pipe(7)): an exception that a signal handler raises in the
    middle of a send cannot leave half a message on the link.
    """

    def __init__(self, reader: IO[bytes], write_fd: int, execmodel: Any) -> None:
        self.execmodel = execmodel
        self._reader = reader
        self._write_fd = write_fd
        self._writing = threading.Lock()
        self._closing = False
        os.set_blocking(write_fd, False)
        self._poll = select.poll()
        self._poll.register(write_fd, select.POLLOUT)

    def read(self, size: int) -> bytes:
        data = self._reader.read(size)
        if len(data) < size:
            raise EOFError("expected %d bytes, got %d" % (size, len(data)))
        return data

    def writable(self) -> bool:
        """Whether PIPE_BUF bytes can be written without waiting, or the other end is gone."""
        return bool(self._poll.poll(0))

    def write(self, data: bytes) -> None:
        with self._writing:
            view = memoryview(data)
            while view:
                if self._closing:
                    raise BrokenPipeError("the link is closed")
                try:
                    view = view[os.write(self._write_fd, view) :]
                except BlockingIOError:
                    self._poll.poll(_CLOSING_POLL_MS)

    def close_read(self) -> None:
        self._reader.close()

    def close_write(self) -> None:
        self._closing = True
        with self._writing:
            if self._write_fd >= 0:
                os.close(self._write_fd)
                self._write_fd = -1

    def neutralize(self, null_fd: int) -> None:
        """In a forked child: let go of the link without disturbing it; the process that owns it goes on."""
        os.dup2(null_fd, self._reader.fileno(), inheritable=False)
        if self._write_fd >= 0:
            os.dup2(null_fd, self._write_fd, inheritable=False)

    # The rest of execnet's protocol. The process is not its business.

    def wait(self) -> int | None:
        return None

    def kill(self) -> None:
        return None
