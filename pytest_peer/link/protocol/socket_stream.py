"""The stream of a link over a socket, whose two descriptors are the same open file. Runs in peers, too."""

from __future__ import annotations

import os
import select
import stat
from typing import Any

from .streams import PipeStream

#: When nothing comes: after so many seconds the kernel asks the other machine whether it is still there, again after so many, and
#: so often. A program that hangs or is stopped does not matter; a machine that has vanished is noticed after half a minute.
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}


def stream_over(read_fd: int, write_fd: int, execmodel: Any) -> PipeStream:
    """What writes to such descriptors."""
    kind = SocketStream if stat.S_ISSOCK(os.fstat(write_fd).st_mode) else PipeStream
    return kind(read_fd, write_fd, execmodel)


class SocketStream(PipeStream):
    """As over pipes, with the same promise: a short message is written whole or not at all.

    A socket does not promise that itself; but when a poll says that it can be written to, a third of its buffer is free at least,
    which is many times more than PIPE_BUF.
    """

    def _prepare(self) -> None:
        import _socket  # here and below: most peers have pipes. The rest of `socket` would take a tenth of a boot

        with _held(self._write_fd) as sock:
            if sock.family in (_socket.AF_INET, _socket.AF_INET6):
                sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
                for name, value in _KEEPALIVE.items():
                    if hasattr(_socket, name):
                        sock.setsockopt(_socket.IPPROTO_TCP, getattr(_socket, name), value)
        # Reading decides that: it is the same open file. And `socket.setdefaulttimeout` may have made it otherwise.
        os.set_blocking(self._write_fd, True)

    def write(self, data: bytes) -> None:
        """Write `data`; BlockingIOError if it is short and there is no room for it now."""
        with self._writing:
            if self._closing:
                raise BrokenPipeError("the link is closed")
            if len(data) <= select.PIPE_BUF and not self._poll.poll(0):
                raise BlockingIOError
            self._write_all([data])

    def close_write(self) -> None:
        import _socket

        if self._write_fd >= 0 and not self._closing:
            try:
                with _held(self._write_fd) as sock:
                    sock.shutdown(_socket.SHUT_WR)  # the reading end is still open
            except OSError:
                pass  # there is no connection any more
        super().close_write()


class _held:
    """A socket object for a descriptor, which it leaves open."""

    def __init__(self, fd: int) -> None:
        import _socket

        self._socket = _socket.socket(fileno=os.dup(fd))

    def __enter__(self) -> Any:
        return self._socket

    def __exit__(self, *_: object) -> None:
        self._socket.close()
