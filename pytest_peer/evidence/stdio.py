"""The stdin, stdout and stderr of a peer: pipes, or files if it is detached."""

from __future__ import annotations

import os
import select
from pathlib import Path
from typing import IO

from ..core.unraisable import run_all
from .output import InputStream, OutputStream


class StandardStreams:
    """Three pipes. The process gets `theirs`; when it is there, `open` and `close_theirs`.

    :param directory: where the output is logged.
    """

    stdin: InputStream
    stdout: OutputStream
    stderr: OutputStream
    #: Of stdout and stderr.
    descriptors: tuple[int, ...] = ()

    def __init__(self, directory: Path) -> None:
        self._logs = directory / "stdout.log", directory / "stderr.log"
        #: What the process gets as 0, 1 and 2; not inheritable.
        self.theirs: list[int] = []
        self._ours: list[IO[bytes]] = []
        try:
            self._make()
        except BaseException:
            self.close()
            raise

    def _make(self) -> None:
        for mode in ("wb", "rb", "rb"):
            read, write = os.pipe()
            ours, theirs = (write, read) if mode == "wb" else (read, write)
            self.theirs.append(theirs)
            self._ours.append(os.fdopen(ours, mode, buffering=0))

    def open(self) -> None:
        stdin, stdout, stderr = self._ours
        self.stdin = InputStream(stdin)
        self.stdout = OutputStream(stdout, self._logs[0])
        self.stderr = OutputStream(stderr, self._logs[1])
        self._ours = []
        self.descriptors = (stdout.fileno(), stderr.fileno())
        self._poll = select.poll()
        for fd in self.descriptors:
            self._poll.register(fd, select.POLLIN)
        self.stdout.watch()
        self.stderr.watch()

    def close_theirs(self) -> None:
        """Close the process's ends, so that the end of what it writes reaches us."""
        while self.theirs:
            os.close(self.theirs.pop())

    def drain(self) -> None:
        """Read what is in the pipes now. For the thread that reads the link, not the main one."""
        try:
            some = bool(self._poll.poll(0))  # one system call for both, usually with no result
        except OSError:  # RLIMIT_NOFILE is lower than their number
            some = True
        if some:
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
        for file in self._ours:
            file.close()
        if hasattr(self, "stderr"):
            run_all(self.stdin.abandon, self.stdout.close, self.stderr.close)


class DetachedStreams(StandardStreams):
    """No input, and two files that the process writes to itself."""

    def _make(self) -> None:
        self.theirs.append(os.open(os.devnull, os.O_RDONLY))
        for path in self._logs:
            self.theirs.append(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))

    def open(self) -> None:
        self.stdin: InputStream = _NoInput()
        self.stdout: OutputStream = OutputStream(None, self._logs[0])
        self.stderr: OutputStream = OutputStream(None, self._logs[1])

    def drain(self) -> None:
        """Do nothing: the files are read when they are asked for."""


class _NoInput(InputStream):
    """The stdin of a detached peer, which reads an end of file."""

    def __init__(self) -> None:
        super().__init__(os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb", buffering=0))
        self.close()

    def write(self, text: str | bytes) -> None:  # noqa: ARG002 - the signature of every stdin
        """Refuse.

        :raises BrokenPipeError: always.
        """
        raise BrokenPipeError("a detached peer has no stdin: it reads an end of file there")
