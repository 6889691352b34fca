"""The peer's real stdin, stdout and stderr: pipes that the origin owns, or files if it is detached.

The kernel has the bytes as soon as the peer has written them. So the last output before a crash is
kept, and the output of a call is there when the call returns: the origin empties the pipes before
it hands out the reply.
"""

import contextlib
import math
import os
import re
from collections.abc import Callable
from functools import partial
from pathlib import Path
from selectors import EVENT_WRITE
from typing import IO

from ..core.clock import Periods, monotonic, seconds
from ..core.errors import quoted
from ..core.locks import Lock
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
    :param held: no limit passes while this is true.
    """

    def __init__(self, pipe: IO[_Bytes] | None, log: Path, held: Callable[[], bool]) -> None:
        self._pipe = pipe
        self._held = held
        self._log = log.open("ab+" if pipe is not None else "rb", buffering=0)
        self._lock = Lock()
        self._changed = Event()  # only its `wake` happens
        self._end = b""  # of the stream, when it is closed
        self._closed = False
        self._size = 0
        #: The file with the whole stream.
        self.path = log
        self._fd = -1
        if pipe is not None:
            self._fd = pipe.fileno()
            os.set_blocking(self._fd, False)
            loop.add(self._fd, self._ready)

    @property
    def bytes(self) -> bytes:
        """The last 32 MiB of the stream."""
        self.drain()
        return self._since(0)

    @property
    def text(self) -> str:
        """`bytes` as text; those that are not UTF-8 are escaped."""
        self.drain()
        return self.text_since(0)

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
        return self._since(offset).decode("utf-8", "backslashreplace")

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
        limits = Periods(limit, self._held)
        next(limits)
        deadline = monotonic() + (math.inf if limit is None else limit)
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
            left = deadline - monotonic()
            if left <= 0 and not closed and (more := next(limits, None)):
                left, deadline = more, monotonic() + more
            if closed or left <= 0:
                why = "the peer is down" if closed else f"not within {limit:g} s"
                tail = quoted("last output", self.text_since(self.size - 8192))
                raise TimeoutError(f"{regex.pattern!r} was not written: {why}\n{tail}")
            pause = left if self._pipe is not None else min(left, _FILE_POLL_SECONDS)
            self._changed.wait_for(partial(self._differs, end), pause)

    def _differs(self, size: int) -> bool:
        return self._closed or self.size != size

    def drain(self) -> bool:
        """Read what is in the pipe now; return whether more may come."""
        with self._lock:
            if self._closed or self._pipe is None:
                return False
            try:  # once: a peer that never stops writing would hold the reader here
                data = os.read(self._fd, _MOST_IN_A_PIPE)
            except BlockingIOError:
                return True
            if data:
                with contextlib.suppress(OSError):  # a full disk must not take the link down
                    self._log.write(data)
                self._changed.wake()
            return bool(data)

    def _ready(self) -> None:
        if not self.drain():
            loop.remove(self._fd)

    def disown(self, null_fd: int) -> None:
        """Give up the pipe in a forked child: reading it would take bytes from the parent."""
        if self._pipe is not None:
            os.dup2(null_fd, self._fd, inheritable=False)
        self._lock = Lock()  # another thread may have had the lock
        self._size = self.size
        self._closed = True

    def close(self) -> None:
        """Read what is in the pipe, and close it. A descendant may hold it: no end is awaited."""
        if self._pipe is not None:
            loop.remove(self._fd)
        self.drain()
        with self._lock:
            if not self._closed:
                self._size = self.size
                self._end = self._since(self._size - _KEPT_BYTES)
                self._closed = True
                self._changed.wake()
                run_all(*(file.close for file in (self._log, self._pipe) if file is not None))


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
        except BrokenPipeError:
            self._waiting.clear()  # a call or stop() says why
        if self._ending:
            self._pipe.close()


class StandardStreams:
    """The process gets `theirs`; when it is there, `close_theirs`.

    A `detached` process has no input, and writes to the logs in `directory` itself. No limit passes
    while a debugger has it `held`.
    """

    def __init__(self, directory: Path, held: Callable[[], bool], *, detached: bool) -> None:
        self._held = held
        #: What the process gets as 0, 1 and 2; not inheritable.
        self.theirs: list[int] = []
        #: Of stdout and stderr, if they are pipes.
        self.descriptors: tuple[int, ...] = ()
        with contextlib.ExitStack() as made:
            made.callback(self.close_theirs)
            self.stdin: InputStream = self._input(detached)
            made.callback(self.stdin.abandon)
            self.stdout: OutputStream = self._output(directory / "stdout.log", detached)
            made.callback(self.stdout.close)
            self.stderr: OutputStream = self._output(directory / "stderr.log", detached)
            made.pop_all()

    def _input(self, detached: bool) -> InputStream:
        nothing = (os.open(os.devnull, os.O_RDWR) for _ in range(2))
        theirs, ours = nothing if detached else os.pipe()
        self.theirs.append(theirs)
        stdin = InputStream(os.fdopen(ours, "wb", buffering=0), detached)
        if detached:
            stdin.close()
        return stdin

    def _output(self, log: Path, detached: bool) -> OutputStream:
        if detached:
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
        self.stdout.drain()
        self.stderr.drain()

    def text(self) -> str:
        return self.stdout.text + self.stderr.text

    def last_output(self) -> str:
        """Return what to quote after an unexpected end."""
        return self.stderr.text or self.stdout.text

    def disown(self, null_fd: int) -> None:
        """In a forked child, leave what is in the pipes to the parent."""
        self.stdin.disown()
        self.stdout.disown(null_fd)
        self.stderr.disown(null_fd)

    def close(self) -> None:
        self.close_theirs()
        run_all(self.stdin.abandon, self.stdout.close, self.stderr.close)
