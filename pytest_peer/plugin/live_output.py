"""What peers print, on the terminal while the test runs: with ``-s`` and ``--capture=tee-sys``.

One thread writes, whole lines only. It reads them from the log files, so nothing is queued, nothing
is lost when the terminal is slow, and neither a peer nor the event loop waits for it.
"""

import contextlib
import functools
import os
import sys
from collections import deque
from collections.abc import Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, TextIO

import pytest

from ..core.locks import Lock
from ..core.sync import Event
from .factory import words
from .labels import Labels
from .session import lives, running_key

if TYPE_CHECKING:
    from ..evidence.output import OutputStream
    from ..peers.lifecycle import PeerLife

NAME = "peer-live-output"  # of the plugin
#: Bytes that are read at once; then it is another stream's turn.
_PIECE = 1 << 16
#: Bytes of a line for whose end is waited. What is longer is shown in parts.
_LONGEST_LINE = 1 << 20
#: Seconds between two looks, unless someone waits: what is printed line by line is written by many.
_PAUSE_SECONDS = 0.01
#: Seconds that a call's reply waits for the call's output to be shown, as a test prints behind it.
_REPLY_SECONDS = 0.25
#: Seconds between two looks at the files of detached peers, whose growth the kernel does not report.
_FILE_POLL_SECONDS = 0.1
#: Seconds without progress after which a terminal that takes nothing is not waited for.
_STUCK_SECONDS = 5.0


def configure(config: pytest.Config) -> None:
    """Register `LiveOutput`, unless this is a worker of pytest-xdist, which has no terminal."""
    if not hasattr(config, "workerinput") and sys.stdout is not None:
        config.pluginmanager.register(LiveOutput(config, sys.stdout), NAME)


def of(config: pytest.Config) -> "LiveOutput | None":
    found: LiveOutput | None = config.pluginmanager.get_plugin(NAME)
    return found


def has_shown_all(config: pytest.Config) -> bool:
    """Whether nobody captures what peers print, so that a report has nothing of it, as pytest's."""
    return config.getoption("capture", "fd") == "no" and of(config) is not None


def rendered(data: bytes, prefix: str) -> str:
    """Return whole lines, each behind `prefix`; of one that was overwritten, its last state."""
    text = data.decode("utf-8", "backslashreplace")
    if "\r" in text:  # of a terminal, or a progress bar
        lines = text.split("\n")
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    return prefix + text[:-1].replace("\n", "\n" + prefix) + "\n"


class _Followed:
    """A stream, and what of it was shown."""

    def __init__(self, stream: "OutputStream", prefix: str) -> None:
        self.stream = stream
        self.prefix = prefix
        self.offset = 0  # up to which it was read and shown, but for `held`
        self.held = b""  # the begin of a line
        self.noted = False  # it is in the queue

    def next_lines(self, over_at: int | None) -> tuple[str, int]:
        """Return text for what is new, and the next offset; a line is `over_at` that one, too."""
        data = self.stream.piece(self.offset, _PIECE)
        # Of a log file that was removed after the peer's end, there may be only the last part.
        offset = self.offset + len(data) if data else max(self.offset, self.stream.size)
        data = self.held + data
        end = data.rfind(b"\n") + 1
        if len(data) - end > _LONGEST_LINE or (over_at is not None and offset >= over_at):
            end = len(data)
        self.held, data = data[end:], data[:end]
        if not data:
            return "", offset
        return rendered(data if data.endswith(b"\n") else data + b"\n", self.prefix), offset


class _Terminal:
    """Where pytest writes; not what a fixture of the test, such as `capfd`, has put there."""

    def __init__(self, config: pytest.Config, file: TextIO) -> None:
        self._file = file
        self._fd = -1
        with contextlib.suppress(OSError, ValueError):  # a file in memory
            self._fd = os.dup(file.fileno())
        self._config = config
        self._left = 0  # the width that the writer thinks the line has, which we have ended

    @functools.cached_property
    def _writer(self) -> Any:
        """pytest's own, if it has one; not before it is configured."""
        reporter = self._config.pluginmanager.get_plugin("terminalreporter")
        return reporter and self._config.get_terminal_writer()

    def markup(self, text: str, markup: dict[str, bool]) -> str:
        return self._writer.markup(text, **markup) if self._writer else text

    def write(self, text: str) -> None:
        """Write whole lines, which begin on one of their own."""
        encoding = self._file.encoding or "utf-8"
        data = text.encode(encoding, "backslashreplace")
        width = self._writer.width_of_current_line if self._writer else 0
        if self._redirected():
            begin, self._left = b"\n" if width != self._left else b"", width
            data = begin + data
            while data:
                data = data[os.write(self._fd, data) :]
            return
        self._left = 0
        write = self._writer.write if self._writer else self._file.write
        write(("\n" if width else "") + data.decode(encoding))
        self._file.flush()

    def _redirected(self) -> bool:
        if self._fd < 0:
            return False
        try:
            return not os.path.sameopenfile(self._fd, self._file.fileno())
        except OSError:  # the test has closed it
            return True

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)


class LiveOutput:
    """A plugin with the thread that writes, which runs while there are peers."""

    def __init__(self, config: pytest.Config, file: TextIO) -> None:
        # Now, because later a fixture may have redirected it.
        self._terminal = _Terminal(config, file)
        self._config = config
        self._labels = Labels()
        self._reset()

    def _reset(self) -> None:
        self._followed: list[_Followed] = []
        self._queue: deque[_Followed] = deque()  # those that have something new
        #: By whose begun lines are to be shown, too, when so much was.
        self._over: dict[_Followed, int] = {}
        self._hurried: list[int] = []  # one for each thread that waits for the writer
        self._held = self._busy = self._behind = self._broken = self._ending = False
        self._pid = -1  # of the process that has the thread
        self._come, self._hurry, self._shown, self._ended = Event(), Event(), Event(), Event()
        self._lock = Lock()

    def follow(self, life: "PeerLife") -> None:
        """Show what a peer prints from now on, and has printed; it has just been started."""
        from ..core.worker import start_thread

        item = self._config.stash[running_key]
        options = life.options
        if self._pid not in (-1, os.getpid()):  # in a child that was forked from this process
            self._reset()
        streams = life.process.streams
        with self._lock:  # peers boot on threads of their own
            label, markup = self._labels.label(options.name, options.host, words(item)[0])
            prefix = self._terminal.markup(f"[{label}]", markup) + " "
            new = [_Followed(stream, prefix) for stream in streams.outputs]
            self._followed += new
            if self._pid < 0:
                self._ended = Event()
                start_thread(self._run, "pytest-peer-live-output")
                self._pid = os.getpid()
        for followed in new:
            followed.stream.on_change = partial(self._note, followed)
            self._note(followed)
        streams.follower = self

    def _note(self, followed: _Followed) -> None:
        if not followed.noted:
            followed.noted = True
            self._queue.append(followed)
            self._come.wake()

    # On the writer's thread

    def _run(self) -> None:
        while self._goes_on():
            polled = any(not each.stream.reported for each in self._followed)
            self._come.wait_for(self._has_work, _FILE_POLL_SECONDS if polled else None)
            for followed in tuple(self._followed) if polled else ():
                self._note(followed)
            self._busy = True
            while self._queue and not self._held:
                self._show(self._queue.popleft())
                self._shown.wake()
            self._busy = self._behind = False
            self._shown.wake()
            self._hurry.wait_for(lambda: bool(self._hurried or self._ending), _PAUSE_SECONDS)

    def _goes_on(self) -> bool:
        with self._lock:
            if self._ending or not (self._followed or self._queue):
                self._pid = -1
                self._ended.set()
            return self._pid >= 0

    def _has_work(self) -> bool:
        return self._ending or (bool(self._queue) and not self._held)

    def _show(self, followed: _Followed) -> None:
        followed.noted = False  # before the look at what is there
        closed = followed.stream.closed
        over_at = followed.stream.size if closed else self._over.get(followed)
        text, offset = followed.next_lines(over_at)
        if text and not self._broken:
            try:
                self._terminal.write(text)
            except (OSError, ValueError):  # nobody reads it: pytest itself fails then
                self._broken = True
        followed.offset = offset
        if over_at is not None and offset >= over_at:
            self._over.pop(followed, None)
        if offset < followed.stream.size:
            self._note(followed)
        elif closed:
            with contextlib.suppress(ValueError):  # it was already
                self._followed.remove(followed)

    # On other threads

    def is_idle(self) -> bool:
        """Return whether all that has come is shown, or must not be shown now."""
        return self._held or not (self._queue or self._busy)

    def catch_up(self) -> None:
        """On the event loop, before a reply: give the output of its call a moment to be shown."""
        if not (self.is_idle() or self._behind):
            with self._hurrying():
                # Once: if the terminal is slow, replies do not wait until it has caught up.
                self._behind = not self._shown.wait_for(self.is_idle, _REPLY_SECONDS)

    @contextlib.contextmanager
    def _hurrying(self) -> Iterator[None]:
        self._hurried.append(1)
        try:
            self._hurry.wake()
            yield
        finally:
            self._hurried.pop()

    def flush(self, *, over: bool = False) -> None:
        """Wait until what has come is shown; at the end of a test that is `over`, begun lines too."""
        if self._pid != os.getpid():
            return
        self._held = False  # a debugger is left, in whatever way
        with self._lock:
            if self._pid < 0:  # it has shown all, and has ended
                return
            ends = [(each, each.stream.size) for each in tuple(self._followed)]
            if over:
                self._over.update(ends)
            for followed, _ in ends:
                self._note(followed)

        def reached() -> bool:
            done = all(followed.offset >= end for followed, end in ends)
            return self._broken or (done and not self._over)

        with self._hurrying():
            before = -1
            while before != (shown := sum(followed.offset for followed, _ in ends)):
                before = shown
                if self._shown.wait_for(reached, _STUCK_SECONDS):
                    return

    # Hooks

    def _begin(self) -> None:
        self._labels.keep(life.options.name for life in lives(self._config))

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_setup(self) -> Generator[None, object, object]:
        self._begin()
        try:
            return (yield)
        finally:
            self.flush()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            self.flush()

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_teardown(self) -> Generator[None, object, object]:
        try:
            return (yield)
        finally:
            self.flush(over=True)

    def pytest_enter_pdb(self) -> None:
        """Write nothing between the words of a debugger."""
        self._held = True

    def pytest_leave_pdb(self) -> None:
        self._held = False
        self._come.wake()

    def pytest_unconfigure(self) -> None:
        """End the thread, unless the terminal takes nothing."""
        self.flush(over=True)
        if self._pid == os.getpid():  # with a peer that nobody has stopped
            self._ending = True
            self._come.wake()
            self._hurry.wake()
            if not self._ended.wait(_STUCK_SECONDS):
                return  # it hangs in a write
        self._terminal.close()
