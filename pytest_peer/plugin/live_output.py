"""What peers print and log, on the terminal while the test runs: with ``-s``, and ``log_cli``.

One thread writes what they print, whole lines only. It reads them from the log files, so nothing is
queued, nothing is lost when the terminal is slow, and neither a peer nor the event loop waits for
it. A log record is written by the thread that handles it, behind what its peer has printed before.
"""

import contextlib
import os
import sys
from collections import deque
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import TYPE_CHECKING, TextIO

import pytest

from ..core.locks import Lock
from ..core.sync import Event
from .factory import words
from .labels import Labels
from .live_terminal import Terminal, shows_output
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
    return config.getoption("capture", "no") == "no" and of(config) is not None


def rendered(data: bytes, prefix: str) -> str:
    """Return whole lines, each behind `prefix`; of one that was overwritten, its last state."""
    text = data.decode("utf-8", "backslashreplace")
    if "\r" in text:  # of a terminal, or a progress bar
        lines = text.split("\n")
        text = "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in lines)
    return prefix + text[:-1].replace("\n", "\n" + prefix) + "\n"


class _Followed:
    """A stream, and what of it was shown."""

    def __init__(self, peer: str, stream: "OutputStream", prefix: str) -> None:
        self.peer = peer
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


class LiveOutput:
    """A plugin with the thread that writes, which runs while there are peers."""

    def __init__(self, config: pytest.Config, file: TextIO) -> None:
        # Now, because later a fixture may have redirected it.
        self._terminal = Terminal(config, file)
        self._config = config
        self._follows = shows_output(config)
        self._labels = Labels()
        self._prefixes: dict[str, str] = {}
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
        self._logged: deque[tuple[str, str]] = deque()  # peers, and what they have logged
        self._writing = Lock()
        self._slow = False  # the last record was not written in time

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
            self._prefixes[options.name] = prefix
            if not self._follows:
                return
            new = [_Followed(options.name, stream, prefix) for stream in streams.outputs]
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
            while (self._queue or self._logged) and not self._held:
                with self._writing:
                    self._write_logged()
                    if self._queue:
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
        return self._ending or (bool(self._queue or self._logged) and not self._held)

    def _show(self, followed: _Followed) -> None:
        followed.noted = False  # before the look at what is there
        closed = followed.stream.closed
        over_at = followed.stream.size if closed else self._over.get(followed)
        text, offset = followed.next_lines(over_at)
        self._write(text)
        followed.offset = offset
        if over_at is not None and offset >= over_at:
            self._over.pop(followed, None)
        if offset < followed.stream.size:
            self._note(followed)
        elif closed:
            with contextlib.suppress(ValueError):  # it was already
                self._followed.remove(followed)

    def _write(self, text: str) -> None:
        if text and not self._broken:
            try:
                self._terminal.write(text)
            except (OSError, ValueError):  # nobody reads it: pytest itself fails then
                self._broken = True

    # On any thread, with `_writing`

    def _write_logged(self) -> None:
        while self._logged and not self._held:
            peer, text = self._logged.popleft()
            for followed in [each for each in tuple(self._followed) if each.peer == peer]:
                until = followed.stream.size
                while followed.offset < until:
                    self._show(followed)
            prefix = self._prefixes.get(peer) or f"[{peer}] "
            self._write(prefix + text.replace("\n", f"\n{prefix}") + "\n")

    # On other threads

    def log(self, peer: str, text: str) -> None:
        """Show what a peer has logged; with a terminal that is slow, a moment later."""
        self._logged.append((peer, text))
        self._catch_up_logged(0 if self._slow else _REPLY_SECONDS)

    def _catch_up_logged(self, seconds: float) -> None:
        owned: Callable[[], bool] = self._writing._is_owned  # type: ignore[attr-defined]
        if owned():  # a signal handler on the thread that writes
            return
        try:  # before the lock: an interrupt must not leave it locked
            self._slow = not self._writing.acquire(timeout=seconds)
            if self._slow:
                self._come.wake()
            else:
                self._write_logged()
        finally:
            if owned():
                self._writing.release()

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
        self._held = False  # a debugger is left, in whatever way
        if self._logged:
            self._catch_up_logged(_STUCK_SECONDS)
        if self._pid != os.getpid():
            return
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
        kept = {life.options.name for life in lives(self._config)}
        self._labels.keep(kept)
        self._prefixes = {name: each for name, each in self._prefixes.items() if name in kept}

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
        if self._logged:
            self._catch_up_logged(_REPLY_SECONDS)
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
