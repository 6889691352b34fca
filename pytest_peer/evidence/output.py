"""What a peer writes to its stdout and stderr: the origin reads it from pipes, into log files.

The kernel has the bytes as soon as the peer has written them. So the last output before a crash is
kept, and the output of a call is there when the call returns: the origin empties the pipes before
it hands out the reply.
"""

import contextlib
import os
import re
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import IO

from ..core.locks import Lock
from ..core.loop import loop
from ..core.services import Services
from ..core.sync import Event
from ..core.worker import run_all
from . import search

#: `OutputStream.bytes` and `OutputStream.text` have no more; the log file has all of it.
_MOST_BYTES = 32 << 20
#: After the end of the peer, a stream keeps this many bytes in case its log file is removed.
_KEPT_BYTES = 1 << 18
#: No pipe has more, unless root has changed fs.pipe-max-size.
_MOST_IN_A_PIPE = 1 << 20
_Bytes = bytes  # in `OutputStream` that is the property
#: `find` looks this far back from what it has seen, for matches that came in pieces.
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
        #: What must go on while somebody waits for output.
        self.services: Services = Services()
        #: Where the peer is, for the error of who has awaited output for so many seconds.
        self.where: Callable[[float | None], str] = lambda _: ""
        self._end = b""  # of the stream, when it is closed
        self._closed = False
        self._size = 0
        self.expected: int = 0  # where the next `expect` begins to search
        #: Called when more has come, and at the end, on any thread: must not wait.
        self.on_change: Callable[[], object] | None = None
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

    @property
    def closed(self) -> bool:
        """Whether the peer is down and all of it has been read."""
        return self._closed

    @property
    def reported(self) -> bool:
        """Whether `on_change` is called: the kernel does not report the growth of a file."""
        return self._pipe is not None

    @property
    def changed(self) -> Event:
        """What is woken when more has come, and at the end."""
        return self._changed

    def join(self, other: "OutputStream") -> None:
        """Become a stream of the same peer as `other`, so that one can wait for both at once."""
        self._changed, self.services = other._changed, other.services

    def piece(self, offset: int, most: int) -> _Bytes:
        """Return at most so many bytes from `offset` on; for who follows it, in small steps."""
        with self._lock:
            if not self._closed:
                return os.pread(self._log.fileno(), most, offset)
        return self._since(offset)[:most]

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
        :raises ServiceEnded: a function that `Peer.running` runs has returned. What such a function
            has raised is raised here.
        """
        return search.wait_for(pattern, timeout, {self: 0}, self._held).match

    def expect(self, pattern: str | re.Pattern[str], timeout: float | None = 5.0) -> re.Match[str]:
        """Wait until `pattern` is found in the text behind what the last `expect` has found.

        pexpect's word. For a dialogue, in which the same question may come twice.

        :param timeout: seconds, ``None`` for no limit.
        :raises TimeoutError: as `wait_for`.
        """
        found = search.wait_for(pattern, timeout, {self: self.expected}, self._held)
        self.expected = found.end
        return found.match

    def find(
        self, regex: re.Pattern[str], begin: int, seen: int
    ) -> tuple[re.Match[str], int] | None:
        """Return a match behind byte `begin`, and the number of bytes that end with it.

        The bytes before `seen` have been searched.
        """
        start = max(begin, seen - _OVERLAP)
        # With one character more, and not from there on: ``^`` matches only where a line begins.
        before = "" if not start else "\n" if self.piece(start - 1, 1) == b"\n" else " "
        match = regex.search(before + self.text_since(start), len(before))
        if match is None:
            return None
        return match, start + _bytes_of(self._since(start), match.end() - len(before))

    def drain(self) -> bool:
        """Read what is in the pipe now; return whether more may come."""
        with self._lock:
            if self._closed or self._pipe is None:
                return False
            try:
                data = self._read()
            except BlockingIOError:
                return True
            if data:
                with contextlib.suppress(OSError):  # a full disk must not take the link down
                    self._log.write(data)
                self._wake()
            return bool(data)

    def _read(self) -> _Bytes:
        """Return what is there; empty at the end. BlockingIOError: nothing is."""
        # Once: a peer that never stops writing would hold the reader here.
        return os.read(self._fd, _MOST_IN_A_PIPE)

    def _wake(self) -> None:
        self._changed.wake()
        if self.on_change is not None:
            self.on_change()

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
                self._wake()
                run_all(*(file.close for file in (self._log, self._pipe) if file is not None))


def _bytes_of(data: bytes, length: int) -> int:
    """Return how many bytes make the first `length` characters of the text of `data`."""
    text = data.decode("utf-8", "surrogateescape")
    try:
        return len(text[:length].encode())
    except UnicodeEncodeError:  # a byte that is not UTF-8 is one character here, and four there
        ends = accumulate(4 if "\udc80" <= each <= "\udcff" else 1 for each in text)
        count = next((at for at, end in enumerate(ends, 1) if end >= length), len(text))
        return len(text[:count].encode("utf-8", "surrogateescape"))
