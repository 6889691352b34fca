"""The writing side of a link: the part of execnet's ``IO`` protocol that we need."""

from __future__ import annotations

import stat
import sys
from typing import Any, Union

from ...core.locks import Lock
from .unpatched import os, select

#: A blocked writer checks this often whether the stream is being closed.
_CLOSING_POLL_MS = 100
#: How long `close_write` waits for a writer to notice. A signal handler that has interrupted the
#: writer may be the caller; the writer then notices when the handler returns, before it writes.
_HELD_SECONDS = 1.0
#: Linux: the capacity of a pipe. Python knows the name since 3.10.
_F_SETPIPE_SZ = 1031
_WIDE = 1 << 20
#: Over TCP the kernel asks a silent machine after so many seconds, at such intervals, so often. A
#: stopped program does not matter; a machine that has vanished is noticed after half a minute.
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 4}

Buffer = Union[bytes, memoryview]


def stream_over(read_fd: int, write_fd: int) -> PipeStream:
    kind = SocketStream if stat.S_ISSOCK(os.fstat(write_fd).st_mode) else PipeStream
    return kind(read_fd, write_fd)


class PipeStream:
    """Writes to the descriptor `write_fd`; owns it and `read_fd`.

    The writing end is non-blocking: data up to PIPE_BUF bytes is written whole or not at all
    (pipe(7)), so an exception that a signal handler raises in the middle of a send cannot leave
    half a message on the link. Only longer data waits for room.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        self._read_fd = read_fd
        self._write_fd = write_fd
        # Reentrant: the handler of a signal that interrupts a write may write a whole message too.
        self._writing = Lock()
        self._closing = False
        self._widened = not sys.platform.startswith("linux")
        self._poll = select.poll()
        self._poll.register(write_fd, select.POLLOUT)
        os.set_blocking(write_fd, False)

    def held_here(self) -> bool:
        """Whether this thread is in a write, which a signal handler or finalizer has interrupted."""
        return bool(self._writing._is_owned())  # type: ignore[attr-defined]

    def write(self, data: bytes) -> None:
        """Write at most PIPE_BUF bytes; raise BlockingIOError if there is no room for them now."""
        with self._writing:
            if self._closing:
                raise BrokenPipeError("the link is closed")
            self._write_short(data)

    def _write_short(self, data: bytes) -> None:
        os.write(self._write_fd, data)

    def write_parts(self, parts: list[Buffer]) -> None:
        """Write several buffers one after the other, and wait until they are written."""
        with self._writing:
            if not self._widened and not self._closing:
                # A pipe of 64 KiB makes both sides wait for each other at every turn. Not before it
                # is needed: the kernel limits how much of it a user has.
                self._widened = True
                try:
                    import fcntl  # not at the top: most peers never need it

                    fcntl.fcntl(self._write_fd, _F_SETPIPE_SZ, _WIDE)
                except (ImportError, OSError):
                    pass
            self._write_all(parts)

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

    def wait_writable(self) -> bool:
        """Wait for room for PIPE_BUF bytes, until the stream is closed, or for 0.1 s.

        Return whether a write would not block, or would raise as nobody reads any more.
        """
        return bool(self._poll.poll(_CLOSING_POLL_MS))

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
        """Let go of the link in a forked child; the process that owns it goes on."""
        for fd in (self._read_fd, self._write_fd):
            if fd >= 0:
                os.dup2(null_fd, fd, inheritable=False)


class SocketStream(PipeStream):
    """Write to a socket, whose two descriptors are the same open file, with the same promise.

    A short message is written whole or not at all. A socket alone does not promise that, but when a
    poll says that it is writable, at least a third of its buffer is free, many times PIPE_BUF.
    """

    def __init__(self, read_fd: int, write_fd: int) -> None:
        import _socket

        super().__init__(read_fd, write_fd)

        with _held(self._write_fd) as sock:
            if sock.family in (_socket.AF_INET, _socket.AF_INET6):
                sock.setsockopt(_socket.IPPROTO_TCP, _socket.TCP_NODELAY, 1)
                sock.setsockopt(_socket.SOL_SOCKET, _socket.SO_KEEPALIVE, 1)
                for name, value in _KEEPALIVE.items():
                    if hasattr(_socket, name):
                        sock.setsockopt(_socket.IPPROTO_TCP, getattr(_socket, name), value)
        # `socket.setdefaulttimeout` may have changed it; the reader of the file may do it again.
        os.set_blocking(self._write_fd, True)

    def _write_short(self, data: bytes) -> None:
        if not self._poll.poll(0):
            raise BlockingIOError
        self._write_all([data])

    def close_write(self) -> None:
        import _socket

        if self._write_fd >= 0 and not self._closing:
            try:
                with _held(self._write_fd) as sock:
                    sock.shutdown(_socket.SHUT_WR)  # the reading end is still open
            except OSError:
                pass  # the connection has ended already
        super().close_write()


def _held(fd: int) -> Any:
    """Return a context manager with a socket object for a descriptor, which stays open."""
    import _socket
    import contextlib  # neither at the top: most peers have pipes. `socket` takes a tenth of a boot

    return contextlib.closing(_socket.socket(fileno=os.dup(fd)))
