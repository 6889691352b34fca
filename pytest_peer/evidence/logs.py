"""Hands the log records of a peer to this process's tree of loggers, before the call's answer.

A call that returns handles on its own thread what has come by then. Otherwise a thread of ours does
so, a moment later: for a test that waits for something else, and for what is shown live.
"""

import logging
import marshal
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any

from ..core.clock import monotonic
from ..core.locks import Lock
from ..core.loop import loop
from ..core.sync import Event
from ..core.worker import Worker, report_unraisable
from ..link.protocol import codec
from ..link.protocol.messages import LOG_FIELDS

#: Seconds that records wait for a call to return. Most calls take less.
_PATIENCE = 0.01
#: Unless there are so many.
_MANY = 64
#: Bytes that were handled before the peer hears of it; a fraction of what it sends without that.
_TOLD = 1 << 14
#: How long a call, or the end of a peer, waits for a handler on another thread. That may wait for
#: the call.
_HELD_SECONDS = 5.0
#: How long records may be kept back; a peer waits longer before it drops some.
_PAUSE_SECONDS = 1.0
_TASK = "taskName"

_worker = Worker("pytest-peer-logs")
_handling = threading.local()


class _Pause:
    """Whether records are kept back now."""

    def __init__(self) -> None:
        self._until = 0.0

    def __bool__(self) -> bool:
        return bool(self._until) and monotonic() < self._until

    def begin(self) -> None:
        self._until = monotonic() + _PAUSE_SECONDS

    def end(self) -> None:
        self._until = 0.0


#: Between two phases of a test, when pytest's handlers are not in place. For a moment at most: who
#: is in a debugger then wants to see the records.
pause: _Pause = _Pause()


class LogRelay:
    """The records of one life of a peer, in order; `tell` is called with the bytes handled."""

    def __init__(self, peer: str, tell: Callable[[int], object]) -> None:
        self.peer: str = peer
        self._tell = tell
        self._records: deque[bytes] = deque()
        self._lock = Lock()  # held while one is handled
        self._due = False
        # Each is changed by one thread: by the reader, by the worker; `_done` with the lock.
        self._arrived = self._done = self._posted = self._called = 0
        self._untold = 0

    @property
    def behind(self) -> bool:
        """Whether something of it is not handled yet."""
        return self._arrived != self._done or self._posted != self._called

    def add(self, payload: bytes) -> None:
        """Take a record; on the thread that reads the link, so it does not handle it."""
        self._records.append(payload)
        self._arrived += 1
        if not self._due:
            self._due = True
            loop.call_later(_PATIENCE, self._hand_over)
        elif not self._arrived % _MANY:
            self._hand_over()

    def _hand_over(self) -> None:
        self._due = bool(pause) and self._arrived != self._done
        if self._due:
            loop.call_later(_PATIENCE, self._hand_over)
        elif self._arrived != self._done:
            _worker.run(self.catch_up)

    def after(self, step: Callable[[], object]) -> None:
        """Call `step` on the worker when what has come is handled; earlier steps come first."""
        self._posted += 1
        _worker.run(partial(self._step, step))

    def _step(self, step: Callable[[], object]) -> None:
        try:
            self.catch_up()
            step()
        finally:
            self._called += 1

    def finish(self) -> None:
        """Have the worker handle what has come, and wait for it: no more comes."""
        if self.behind:
            handled = Event()
            self.after(handled.set)
            handled.wait(_HELD_SECONDS)

    def catch_up(self, *, anyway: bool = False) -> None:
        """Handle, on this thread, what has come so far; in a pause only if told so."""
        until = self._arrived
        owned: Callable[[], bool] = self._lock._is_owned  # type: ignore[attr-defined]
        if owned():  # it is in a handler that makes a call
            return
        while self._done < until:
            try:  # before the lock: an interrupt must not leave it locked
                if not self._lock.acquire(timeout=_HELD_SECONDS):
                    return
                if pause and not anyway:
                    return
                if self._records:
                    self._handle_next()
                elif self._done < until:  # an interrupt has lost one
                    self._done = until
            finally:
                if owned():
                    self._lock.release()

    def _handle_next(self) -> None:
        payload = self._records.popleft()
        try:
            self._handle(payload)
        except Exception as exc:  # of a handler
            report_unraisable(exc)
        finally:
            self._done += 1
            self._untold += len(payload)
        if self._untold >= _TOLD:
            told, self._untold = self._untold, 0
            self._tell(told)

    def _handle(self, payload: bytes) -> None:
        record = _rebuilt(payload, self.peer)
        manager = logging.root.manager
        if record.levelno <= manager.disable:
            return
        before, _handling.relay = getattr(_handling, "relay", None), self
        try:
            name = record.name
            logger: Any = logging.root if name == "root" else manager.loggerDict.get(name)
            if isinstance(logger, logging.Logger):
                logger.handle(record)
                return
            # It has no logger here. One that is made would act as the next above.
            while not isinstance(logger, logging.Logger):
                name = name.rpartition(".")[0]
                logger = manager.loggerDict.get(name) if name else logging.root
            logger.callHandlers(record)
        finally:
            _handling.relay = before


def handled(record: logging.LogRecord) -> LogRelay | None:
    """Return whose record this thread handles, if it is this one."""
    relay: LogRelay | None = getattr(_handling, "relay", None)
    ours = relay is not None and vars(record).get("peer") == relay.peer
    return relay if ours else None


def _rebuilt(payload: bytes, peer: str) -> logging.LogRecord:
    message, exc_text, plain, pickled, *fields = marshal.loads(payload)
    record = logging.makeLogRecord({})
    held = vars(record)
    held.update(plain)
    for name, data in pickled.items():
        try:
            held[name] = codec.loads(data)
        except Exception as exc:
            held[name] = f"cannot be rebuilt here: {type(exc).__name__}: {exc}"
    known = zip(LOG_FIELDS, fields, strict=True)
    held.update((name, value) for name, value in known if name != _TASK or value or _TASK in held)
    held.update(msg=message, args=(), exc_info=None, exc_text=exc_text, peer=peer)
    return record
