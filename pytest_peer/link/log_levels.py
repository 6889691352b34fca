"""The levels of this process's loggers, for peers: these send no record that nobody wants here."""

import contextlib
import functools
import logging
import marshal
import os
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol
from weakref import ref

from ..core.errors import PeerDown
from ..core.locks import Lock

#: A logger's name, empty for the root; ``None`` for what `logging.disable` has set.
Name = str | None


class LevelFeed:
    """Tells one peer the levels that change, and how much of its records was handled."""

    def __init__(self) -> None:
        self._changes: deque[tuple[Name, int]] = deque()
        self._send: Callable[[bytes], object] | None = None
        self._lock = Lock()  # a later level must not overtake an earlier one
        _watched().add(self)

    def open(self, send: Callable[[bytes], object]) -> None:
        """Tell it by `send` from now on, first what has changed meanwhile."""
        self._send = send
        self._flush()

    def changed(self, name: Name, level: int) -> None:
        self._changes.append((name, level))
        self._flush()

    def handled(self, count: int) -> None:
        """Say that so many more bytes of its records were handled."""
        self._flush(count)

    def _flush(self, count: int = 0) -> None:
        with self._lock:
            levels: dict[Name, int] = {}
            while self._changes and self._send is not None:
                name, level = self._changes.popleft()
                levels[name] = level
            if self._send is not None and (levels or count):
                with contextlib.suppress(PeerDown):
                    self._send(marshal.dumps((count, levels), 2))


class RecordSink(Protocol):
    """Takes the log records of a peer."""

    @property
    def behind(self) -> bool:
        """Whether some of them are not handled yet."""

    def add(self, payload: bytes) -> None:
        """Take one; on the thread that reads the link."""

    def catch_up(self, *, anyway: bool = False) -> None:
        """Handle what has come, on this thread; if they are kept back, only if told so."""

    def finish(self) -> None:
        """Have what has come handled by another thread; no more comes."""

    def after(self, step: Callable[[], object]) -> None:
        """Call `step` when that is done."""


class NoRecords:
    """Of a peer that is never connected."""

    behind = False

    def add(self, payload: bytes) -> None: ...

    def catch_up(self, *, anyway: bool = False) -> None: ...

    def finish(self) -> None: ...

    def after(self, step: Callable[[], object]) -> None:
        step()


def table() -> dict[Name, int]:
    """Return the levels that were set on loggers here, other than Python's own."""
    manager = logging.root.manager
    found: dict[Name, int] = {
        name: logger.level
        for name, logger in list(manager.loggerDict.items())
        if isinstance(logger, logging.Logger) and logger.level
    }
    if logging.root.level != logging.WARNING:
        found[""] = logging.root.level
    if manager.disable:
        found[None] = manager.disable
    return found


class _Feeds:
    """The feeds of all peers, which may have to wait with changes."""

    def __init__(self) -> None:
        self._refs: set[ref[LevelFeed]] = set()
        self._held: dict[Name, tuple[int, int]] | None = None  # the levels before, and now
        self._lock = Lock()
        # The links are the parent's, and another thread may have had their locks.
        os.register_at_fork(after_in_child=self._refs.clear)

    def add(self, feed: LevelFeed) -> None:
        self._refs.add(ref(feed))

    def changed(self, name: Name, before: int, level: int) -> None:
        with self._lock:
            if self._held is not None:
                first, _ = self._held.get(name, (before, level))
                self._held[name] = first, level
                return
        self._tell(name, level)

    def hold(self) -> None:
        with self._lock:
            if self._held is None:
                self._held = {}

    def release(self) -> None:
        with self._lock:
            held, self._held = self._held, None
        for name, (before, level) in (held or {}).items():
            if level != before:
                self._tell(name, level)

    def _tell(self, name: Name, level: int) -> None:
        for each in tuple(self._refs):
            if (feed := each()) is not None:
                feed.changed(name, level)
            else:
                self._refs.discard(each)


def hold() -> None:
    """Tell peers no change of levels until `release`.

    Between two phases of a test pytest takes back the levels that it has set, and sets them again.
    Peers that go on meanwhile would not send what both phases want.
    """
    _watched().hold()


def release() -> None:
    """Tell peers what is different from when `hold` was called, and changes from now on."""
    _watched().release()


#: An attribute of what stands in for `Logger.setLevel`.
_FEEDS = "_pytest_peer_feeds"


def _watched() -> _Feeds:
    """Notice all levels that are set from now on; return who is told."""
    # There, and not here: pytester imports this module anew.
    known: _Feeds | None = getattr(logging.Logger.setLevel, _FEEDS, None)
    if known is not None:
        return known
    python_set_level = logging.Logger.setLevel
    disable: Any = vars(logging.Manager)["disable"]
    feeds = _Feeds()

    @functools.wraps(python_set_level)
    def set_level(self: logging.Logger, level: int | str) -> None:
        before = self.level
        python_set_level(self, level)
        feeds.changed("" if self is logging.root else self.name, before, self.level)

    def set_disable(self: logging.Manager, level: int | str) -> None:
        before = self.disable
        disable.fset(self, level)
        if self is logging.root.manager:
            feeds.changed(None, before, self.disable)

    setattr(set_level, _FEEDS, feeds)
    logging.Logger.setLevel = set_level  # type: ignore[method-assign]
    logging.Manager.disable = property(disable.fget, set_disable)  # type: ignore[assignment]
    return feeds
