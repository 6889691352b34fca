"""A pseudo-terminal as stdin, stdout and stderr of a peer: the origin is who sits in front of it.

The peer leads its session already, so it only takes this as its controlling terminal, when it is
started: see `launch`. Session, process group and lifeline are as those of any other peer.
"""

import contextlib
import errno
import os
import termios
from collections.abc import Callable
from pathlib import Path

from .output import OutputStream
from .standard_streams import InputStream, StandardStreams

#: A terminal's buffers have less: so many bytes are all that was written before the read.
_MOST_IN_A_TERMINAL = 1 << 17
_READ_SIZE = 1 << 12  # the kernel gives no more at once
#: What Ctrl-D sends: the program gets what was typed, and reads an end of file if that is nothing.
_END_OF_FILE = b"\x04"
#: Behind these a line begins.
_LINE_ENDS = (b"\n", b"\r", _END_OF_FILE)


class TerminalOutput(OutputStream):
    """What is seen on the terminal: output of both streams, and the echo of what was typed."""

    def _read(self) -> bytes:
        data = bytearray()
        try:
            while len(data) < _MOST_IN_A_TERMINAL:
                more = os.read(self._fd, _READ_SIZE)
                if not more:
                    break
                data += more
        except BlockingIOError:
            if not data:
                raise
        except OSError as exc:
            if exc.errno != errno.EIO:  # Linux's end of file, when no process has it open any more
                raise
        return bytes(data)


class TerminalInput(InputStream):
    """The keyboard of the terminal."""

    _line_begins = True

    def write(self, text: str | bytes) -> None:
        data = text.encode() if isinstance(text, str) else bytes(text)
        super().write(data)
        if data:
            self._line_begins = data.endswith(_LINE_ENDS)

    def close(self) -> None:
        """Type Ctrl-D, and nothing more: an end of file behind the text so far."""
        if not self._ending:
            # On a line that has begun, the first one sends that, and the second one ends it. Then
            # the next read still has to find an end: unlike that of a pipe, it does not stay.
            super().write(_END_OF_FILE if self._line_begins else 3 * _END_OF_FILE)
            super().close()


class TerminalStreams(StandardStreams):
    """All three are one terminal of that size (rows, columns), and stdout and stderr one stream."""

    def __init__(self, directory: Path, held: Callable[[], bool], size: tuple[int, int]) -> None:
        self._size = size
        super().__init__(directory, held, detached=False)

    def _open(self, directory: Path, made: contextlib.ExitStack) -> None:
        ours, theirs = os.openpty()
        self.theirs.append(theirs)
        pipe = os.fdopen(ours, "rb", buffering=0)
        made.callback(pipe.close)
        termios.tcsetwinsize(theirs, self._size)
        for _ in range(2):
            self.theirs.append(os.dup(theirs))
        keyboard = os.fdopen(os.dup(ours), "wb", buffering=0)
        self.stdin: InputStream = TerminalInput(keyboard, detached=False)
        made.callback(self.stdin.abandon)
        output = TerminalOutput(pipe, directory / "stdout.log", self._held)
        self.stdout: OutputStream = output
        self.stderr: OutputStream = output
        made.callback(output.close)
        self.descriptors: tuple[int, ...] = (ours,)
