"""The peer's real stdin, stdout and stderr: pipes that the origin owns, or files if it is detached."""

import contextlib
import errno
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from selectors import EVENT_WRITE
from typing import IO, Protocol

from ..core.loop import loop
from ..core.worker import run_all
from .output import OutputStream

#: How a write fails when nobody has the other end of a pipe, or of a terminal.
_GONE = (errno.EPIPE, errno.EIO)


class InputStream:
    """The peer's stdin. Only the event loop writes to it and closes it."""

    def __init__(self, pipe: IO[bytes], detached: bool) -> None:
        self._pipe = pipe
        none = "a detached peer has no stdin: it reads an end of file there"
        self._closed = none if detached else "the peer's stdin is closed"  # for `write`
        self._fd = pipe.fileno()
        os.set_blocking(self._fd, False)
        self._waiting = bytearray()
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
        loop.call(partial(self._write, drop=True))

    def disown(self) -> None:
        """Give up the pipe in a forked child, which has no event loop for it."""
        self._ending = True
        self._pipe.close()

    def _write(self, more: bytes = b"", *, drop: bool = False) -> None:
        if self._pipe.closed:  # the number of its descriptor may be another's
            if drop:
                return
            raise BrokenPipeError(self._closed)
        if drop:
            self._waiting.clear()
        self._waiting += more
        loop.remove(self._fd)
        try:
            while self._waiting:
                del self._waiting[: os.write(self._fd, self._waiting)]
        except BlockingIOError:
            loop.add(self._fd, self._write, EVENT_WRITE)
            return
        except OSError as exc:
            if exc.errno not in _GONE:
                raise
            self._waiting.clear()  # a call or stop() says why
        if self._ending:
            self._pipe.close()


class Follower(Protocol):
    """Shows what is written to streams, on a thread of its own."""

    def is_idle(self) -> bool:
        """Return whether all that has come is shown, or must not be shown now."""

    def catch_up(self) -> None:
        """Wait until it is shown, but only a moment. For the thread that reads the link."""


class StandardStreams:
    """The process gets `theirs`; when it is there, `close_theirs`.

    A `detached` process has no input, and writes to the logs in `directory` itself. No limit passes
    while a debugger has it `held`.
    """

    stdin: InputStream
    stdout: OutputStream
    stderr: OutputStream

    def __init__(self, directory: Path, held: Callable[[], bool], *, detached: bool) -> None:
        self._held = held
        self._detached = detached
        #: What the process gets as 0, 1 and 2; not inheritable.
        self.theirs: list[int] = []
        #: Who shows them as they come, if somebody does.
        self.follower: Follower | None = None
        #: Of stdout and stderr, if they are pipes.
        self.descriptors: tuple[int, ...] = ()
        with contextlib.ExitStack() as made:
            made.callback(self.close_theirs)
            self._open(directory, made)
            made.pop_all()
        self.stderr.join(self.stdout)
        #: Those that are different ones.
        self.outputs: tuple[OutputStream, ...] = tuple({self.stdout: None, self.stderr: None})

    def _open(self, directory: Path, made: contextlib.ExitStack) -> None:
        self.stdin = self._input()
        made.callback(self.stdin.abandon)
        self.stdout = self._output(directory / "stdout.log")
        made.callback(self.stdout.close)
        self.stderr = self._output(directory / "stderr.log")

    def _input(self) -> InputStream:
        detached = self._detached
        nothing = (os.open(os.devnull, os.O_RDWR) for _ in range(2))
        theirs, ours = nothing if detached else os.pipe()
        self.theirs.append(theirs)
        stdin = InputStream(os.fdopen(ours, "wb", buffering=0), detached)
        if detached:
            stdin.close()
        return stdin

    def _output(self, log: Path) -> OutputStream:
        if self._detached:
            self.theirs.append(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))
            return OutputStream(None, log, self._held)
        ours, theirs = os.pipe()
        self.theirs.append(theirs)
        self.descriptors += (ours,)
        return OutputStream(os.fdopen(ours, "rb", buffering=0), log, self._held)

    def close_theirs(self) -> None:
        """Close the process's ends, so that the end of what it writes reaches us."""
        while self.theirs:
            os.close(self.theirs.pop())

    def drain(self) -> None:
        """Read what is in the pipes now. For the thread that reads the link, not the main one."""
        for output in self.outputs:
            output.drain()
        if self.follower is not None:
            self.follower.catch_up()

    def is_unshown(self) -> bool:
        """Return whether a follower has not shown all yet; then `drain` waits a moment for it."""
        return self.follower is not None and not self.follower.is_idle()

    def text(self) -> str:
        return "".join(output.text for output in self.outputs)

    def last_output(self) -> str:
        """Return what to quote after an unexpected end."""
        return self.stderr.text or self.stdout.text

    def disown(self, null_fd: int) -> None:
        """In a forked child, leave what is in the pipes to the parent."""
        self.stdin.disown()
        for output in self.outputs:
            output.disown(null_fd)

    def close(self) -> None:
        self.close_theirs()
        run_all(self.stdin.abandon, *(output.close for output in self.outputs))
