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
        _watched().add(ref(self))

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

    def catch_up(self) -> None:
        """Handle what has come, on this thread."""

    def finish(self) -> None:
        """Have what has come handled by another thread; no more comes."""

    def after(self, step: Callable[[], object]) -> None:
        """Call `step` when that is done."""


class NoRecords:
    """Of a peer that is never connected."""

    behind = False

    def add(self, payload: bytes) -> None: ...

    def catch_up(self) -> None: ...

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


#: An attribute of what stands in for `Logger.setLevel`.
_FEEDS = "_pytest_peer_feeds"


def _watched() -> "set[ref[LevelFeed]]":
    """Notice all levels that are set from now on; return who is told."""
    # There, and not here: pytester imports this module anew.
    known: set[ref[LevelFeed]] | None = getattr(logging.Logger.setLevel, _FEEDS, None)
    if known is not None:
        return known
    python_set_level = logging.Logger.setLevel
    disable: Any = vars(logging.Manager)["disable"]
    feeds: set[ref[LevelFeed]] = set()
    # The links are the parent's, and another thread may have had their locks.
    os.register_at_fork(after_in_child=feeds.clear)

    def tell(name: Name, level: int) -> None:
        for each in tuple(feeds):
            if (feed := each()) is not None:
                feed.changed(name, level)
            else:
                feeds.discard(each)

    @functools.wraps(python_set_level)
    def set_level(self: logging.Logger, level: int | str) -> None:
        python_set_level(self, level)
        tell("" if self is logging.root else self.name, self.level)

    def set_disable(self: logging.Manager, level: int | str) -> None:
        disable.fset(self, level)
        if self is logging.root.manager:
            tell(None, self.disable)

    setattr(set_level, _FEEDS, feeds)
    logging.Logger.setLevel = set_level  # type: ignore[method-assign]
    logging.Manager.disable = property(disable.fget, set_disable)  # type: ignore[assignment]
    return feeds
