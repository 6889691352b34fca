"""Gives the records of this peer's loggers to the origin, where its tree of loggers decides.

Levels act as in one process: the last one that was set on a logger counts, there or here. The
peer's own handlers get what they would get without this: for them, only levels that were set here
count. So they get no handler of ours, and a logger is enabled for what either side wants.
"""

import sys
from typing import Any

from ..link.protocol.messages import LOG_MARK
from ..link.protocol.unpatched import os
from . import log_records, log_window, runtime

_logging: Any = None
# What Python has for the methods below.
_effective_level: Any = None
_set_level: Any = None
_handle: Any = None
_call_handlers: Any = None


class _Passing:
    """Of a record on its way from `handle` to `callHandlers`: for whom it is."""

    __slots__ = ("own", "relayed")

    def __init__(self, own):
        self.own = own  # for the peer's handlers too
        self.relayed = False


def install():
    """Relay the records of `logging`, which has been imported; may be repeated."""
    global _logging, _effective_level, _set_level, _handle, _call_handlers
    _logging = sys.modules["logging"]
    logger = _logging.Logger
    if logger.handle is handle:
        return
    _effective_level, _set_level = logger.getEffectiveLevel, logger.setLevel
    _handle, _call_handlers = logger.handle, logger.callHandlers
    for method in (isEnabledFor, getEffectiveLevel, setLevel, handle, callHandlers):
        setattr(logger, method.__name__, method)
    logger.manager._clear_cache()


def heard(_, levels):
    """Heed new levels; on the thread that reads the link."""
    if not levels or _logging is None:
        return
    # Without the lock of `logging`: who holds it may wait for a module from this thread.
    for each in [*_logging.Logger.manager.loggerDict.values(), _logging.root]:
        if isinstance(each, _logging.Logger):
            each._cache.clear()


def _relay(record):
    """Send a record; return whether that is possible."""
    data = log_records.packed(record)
    if os.getpid() == runtime.runtime.pid:
        return log_window.window.send(data)
    return log_window.child_link.send(data)


def _key(logger):
    return "" if logger is _logging.root else logger.name


def _level(logger, levels):
    """Return the level of a logger; what `levels` has for names comes before what it has here."""
    name, here = _key(logger), logger
    known = _logging.Logger.manager.loggerDict
    while True:
        level = levels.get(name)
        if level is None:
            level = getattr(here, "level", 0)  # a placeholder has none
        if level or not name:
            return level
        name = name.rpartition(".")[0]
        here = known.get(name) if name else _logging.root


def _relays(logger, level, levels):
    """Return whether the origin wants records of that level."""
    disabled = max(logger.manager.disable, levels.get(None, 0))
    return level > disabled and level >= _level(logger, levels)


def _keeps(logger, level):
    """Return whether the peer's own handlers get records of that level, if there are any."""
    return level > logger.manager.disable and level >= _effective_level(logger)


# In place of the methods of `logging.Logger`.


def isEnabledFor(self, level):
    """Is this logger enabled for level 'level'?"""
    peer, disabled = runtime.runtime, self.disabled
    key = (level,) if disabled else level
    try:
        return self._cache[key]
    except KeyError:
        pass
    if peer is None:  # the fork server: no peer inherits what would be kept
        return not disabled and _keeps(self, level)
    while True:
        changes = peer.level_changes
        with _logging._lock:
            enabled = _relays(self, level, peer.levels) or (not disabled and _keeps(self, level))
            self._cache[key] = enabled
        if changes == peer.level_changes:  # else the reader has emptied it too early
            return enabled


def getEffectiveLevel(self):
    """Get the effective level for this logger."""
    peer, level = runtime.runtime, _effective_level(self)
    return level if peer is None else min(level, _level(self, peer.levels))


def setLevel(self, level):
    """Set the logging level of this logger.  level must be an int or a str."""
    if runtime.runtime is not None:
        runtime.runtime.levels.pop(_key(self), None)
    _set_level(self, level)


def handle(self, record):
    """Call the handlers for the specified record."""
    peer, level = runtime.runtime, record.levelno
    if peer is None or peer.enqueue is None:
        _handle(self, record)
        return
    own, wanted = _keeps(self, level), _relays(self, level, peer.levels)
    if not (own and wanted):
        frame: Any = sys._getframe(1)
        while frame is not None and frame.f_code.co_name == "handle":  # of a subclass
            frame = frame.f_back
        if frame is None or frame.f_code is not _logging.Logger._log.__code__:
            own = wanted = True  # a record from elsewhere: for those Python asks no level
    if not wanted:
        if self.hasHandlers():  # see `callHandlers`
            _handle(self, record)
        return
    passing = record.__dict__[LOG_MARK] = _Passing(own)
    try:
        _handle(self, record)
    finally:
        record.__dict__.pop(LOG_MARK, None)
        if not passing.relayed:  # the logger is disabled, or has a filter that drops it
            _relay(record)


def callHandlers(self, record):
    """Pass a record to all relevant handlers."""
    passing = record.__dict__.pop(LOG_MARK, None)
    if passing is None:
        _call_handlers(self, record)
        return
    passing.relayed = True
    sent = _relay(record)
    # Without handlers it would go to stderr: with those of the origin it has some.
    if passing.own and (self.hasHandlers() or not sent):
        _call_handlers(self, record)
