"""The three standard streams of a peer, together."""

from __future__ import annotations

import select
from pathlib import Path
from typing import IO

from ..core.unraisable import attempt
from .output import InputStream
from .output import OutputStream


class StandardStreams:
    """The origin's ends of stdin, stdout and stderr; logs go to `directory`."""

    def __init__(
        self, stdin: IO[bytes], stdout: IO[bytes], stderr: IO[bytes], directory: Path
    ) -> None:
        self.stdin: InputStream = InputStream(stdin)
        self.stdout: OutputStream = OutputStream(stdout, directory / "stdout.log")
        self.stderr: OutputStream = OutputStream(stderr, directory / "stderr.log")
        #: Of stdout and stderr.
        self.descriptors: tuple[int, ...] = (stdout.fileno(), stderr.fileno())
        self._poll = select.poll()
        for fd in self.descriptors:
            self._poll.register(fd, select.POLLIN)
        self.stdout.watch()
        self.stderr.watch()

    def drain(self) -> None:
        """Read what is in the pipes now. Only who reads the link may use this, and not in the main thread."""
        try:
            some = bool(self._poll.poll(0))  # one system call for both, and mostly there is nothing
        except OSError:  # RLIMIT_NOFILE is lower than their number
            some = True
        if some:
            self.stdout.drain()
            self.stderr.drain()

    def text(self) -> str:
        """All that was written, stdout first."""
        return self.stdout.text + self.stderr.text

    def last_output(self) -> str:
        """What to quote after an unexpected end."""
        return self.stderr.text or self.stdout.text

    def disown(self, null_fd: int) -> None:
        """In a forked child: what is in the pipes is the parent's."""
        for stream in (self.stdin, self.stdout, self.stderr):
            stream.disown(null_fd)

    def release(self) -> None:
        """Free memory after `close`."""
        self.stdout.release()
        self.stderr.release()

    def close(self) -> None:
        """Read the bytes that are left, and close."""
        attempt(self.stdin.abandon, self.stdout.close, self.stderr.close)
