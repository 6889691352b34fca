"""The stdin, stdout and stderr of a peer: pipes, or files if it is detached."""

from __future__ import annotations

import contextlib
import os
import select
from pathlib import Path

from ..core.worker import run_all
from .output import InputStream, OutputStream


class StandardStreams:
    """Three pipes. The process gets `theirs`; when it is there, `open` and `close_theirs`.

    :param directory: where the output is logged.
    """

    def __init__(self, directory: Path) -> None:
        #: What the process gets as 0, 1 and 2; not inheritable.
        self.theirs: list[int] = []
        #: Of stdout and stderr.
        self.descriptors: tuple[int, ...] = ()
        self._poll = select.poll()
        with contextlib.ExitStack() as made:
            made.callback(self.close_theirs)
            self.stdin: InputStream = self._input()
            made.callback(self.stdin.abandon)
            self.stdout: OutputStream = self._output(directory / "stdout.log")
            made.callback(self.stdout.close)
            self.stderr: OutputStream = self._output(directory / "stderr.log")
            made.pop_all()

    def _input(self) -> InputStream:
        theirs, ours = os.pipe()
        self.theirs.append(theirs)
        return InputStream(os.fdopen(ours, "wb", buffering=0))

    def _output(self, log: Path) -> OutputStream:
        ours, theirs = os.pipe()
        self.theirs.append(theirs)
        self.descriptors += (ours,)
        self._poll.register(ours, select.POLLIN)
        return OutputStream(os.fdopen(ours, "rb", buffering=0), log)

    def open(self) -> None:
        """Begin to read."""
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
        run_all(self.stdin.abandon, self.stdout.close, self.stderr.close)


class DetachedStreams(StandardStreams):
    """No input, and two files that the process writes to itself."""

    def _input(self) -> InputStream:
        self.theirs.append(os.open(os.devnull, os.O_RDONLY))
        pipe = os.fdopen(os.open(os.devnull, os.O_WRONLY), "wb", buffering=0)
        stdin = InputStream(pipe, "a detached peer has no stdin: it reads an end of file there")
        stdin.close()
        return stdin

    def _output(self, log: Path) -> OutputStream:
        self.theirs.append(os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666))
        return OutputStream(None, log)
