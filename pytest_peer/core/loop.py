"""One thread that waits for the descriptors of all peers: their output, their input, their end.

It starts with the first descriptor and ends with the last. Callbacks run on it and must be short; while one runs, `remove`
waits, so that a descriptor may be closed right after it was removed.
"""

from __future__ import annotations

import contextlib
import heapq
import itertools
import os
import selectors
import threading
from collections.abc import Callable
from typing import Any

from .clock import Thread
from .clock import monotonic
from .clock import sleep
from .unraisable import tell

#: Before anything is called again after a callback has raised: it may be the same one at once.
_AFTER_FAILURE = 0.01

#: As they were: a test may patch those of everybody, and here that would end the watching of all.
_read, _write = os.read, os.write

Callback = Callable[[], object]
Timer = tuple[float, int, Callback]


class EventLoop:
    """Calls back when descriptors become ready, or a time has come."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._selector: selectors.BaseSelector | None = None
        self._wake: tuple[int, int] | None = None
        # Whether the selector notices a change while it waits, as epoll and kqueue do.
        self._notices = False
        # Where a selector knows no descriptor without events.
        self._unwatched: dict[int, Callback] = {}
        self._timers: list[Timer] = []
        self._ids = itertools.count()
        self._thread: Thread | None = None
        self._told = ""

    def runs_here(self) -> bool:
        """Whether this is its thread."""
        return self._thread is not None and self._thread.ident == threading.get_ident()

    def add(self, fd: int, callback: Callback, events: int = selectors.EVENT_READ) -> None:
        """Call `callback` whenever `fd` is ready."""
        with self._lock:
            self._started().register(fd, events, callback)
            self._tell_changed()

    def remove(self, fd: int) -> None:
        """Forget `fd`; when this returns, its callback is not running. Unknown descriptors are ignored."""
        with self._lock:
            if self._selector is None:
                return
            self._unwatched.pop(fd, None)
            with contextlib.suppress(KeyError):
                self._selector.unregister(fd)
            if self._is_idle():
                self._poke()

    def events_setter(self) -> Callable[[int, int], object]:
        """What changes the events of a descriptor that was added: a function of both, with 0 for none; not after `remove`.

        Where there is epoll it is one call of C code, done before a signal's handler can interrupt it.
        """
        epoll = getattr(self._selector, "_selector", None)
        modify: Callable[[int, int], object] | None = getattr(epoll, "modify", None)
        if type(epoll).__name__ == "epoll" and modify is not None:
            return modify  # its events are numbered as those of `selectors`, as far as they are used here
        return self._set_events

    def _set_events(self, fd: int, events: int) -> None:
        with self._lock:
            selector = self._started()
            if events and fd in self._unwatched:
                selector.register(fd, events, self._unwatched.pop(fd))
            elif not events and fd not in self._unwatched:
                self._unwatched[fd] = selector.unregister(fd).data
            self._tell_changed()

    def call_later(self, seconds: float, callback: Callback) -> Timer:
        """Call `callback` once, `seconds` from now; what is returned is for `cancel`."""
        with self._lock:
            self._started()
            timer = (monotonic() + seconds, next(self._ids), callback)
            heapq.heappush(self._timers, timer)
            # What is due at once, always: an interrupt may have come between these two steps for the one before it.
            if seconds <= 0 or self._timers[0] is timer:
                self._poke()
            return timer

    def cancel(self, *timers: Timer) -> None:
        """Do not call back any more; one may be running just now."""
        with self._lock:
            for timer in timers:
                if timer in self._timers:
                    self._timers.remove(timer)
                    heapq.heapify(self._timers)
            if self._is_idle():
                self._poke()

    def _started(self) -> selectors.BaseSelector:
        if self._selector is not None and self._thread is not None and self._thread.over:
            # It died of what is not ours: a tracing function that raises.
            self._start_thread(self._selector)
        if self._selector is None:
            try:
                self._selector = selectors.DefaultSelector()
                self._wake = os.pipe()
                for fd in self._wake:
                    os.set_blocking(fd, False)
                self._selector.register(self._wake[0], selectors.EVENT_READ, self._woken)
                self._notices = hasattr(self._selector, "fileno")  # epoll and kqueue
                self._start_thread(self._selector)
            except BaseException:  # no more descriptors, or threads; there may be one another time
                self._close()
                raise
        return self._selector

    def _start_thread(self, selector: selectors.BaseSelector) -> None:
        # It is told which: one whose start was interrupted may come to run when there is another, and its thread.
        name = "pytest-peer-watcher"
        self._thread = Thread(target=self._run, args=(selector,), name=name, daemon=True)
        self._thread.start()

    def _close(self) -> None:
        selector, wake = self._selector, self._wake
        self._selector = self._wake = None
        if selector is not None:
            selector.close()
        for fd in wake or ():
            os.close(fd)

    def _is_idle(self) -> bool:
        """Whether there is nothing to wait for, so that its thread ends."""
        watched = 0 if self._selector is None else len(self._selector.get_map())
        return watched == 1 and not self._timers and not self._unwatched

    def _tell_changed(self) -> None:
        if not self._notices:
            self._poke()

    def _poke(self) -> None:
        if self._wake is not None:
            with contextlib.suppress(BlockingIOError):  # a full pipe wakes it as well
                _write(self._wake[1], b"!")

    def _run(self, selector: selectors.BaseSelector) -> None:
        while True:
            with self._lock:
                if self._selector is not selector:
                    return
                if self._is_idle():
                    self._close()
                    return
                timeout = max(0.0, self._timers[0][0] - monotonic()) if self._timers else None
            for key, _ in selector.select(timeout):
                self._dispatch(key)
            self._run_timers()

    def _dispatch(self, key: selectors.SelectorKey) -> None:
        with self._lock:
            # An earlier callback of this round may have removed it, and the number may have a new owner.
            current: Any = self._selector and self._selector.get_map().get(key.fd)
            if current is not None and current.data is key.data:
                self._call(key.data)

    def _woken(self) -> None:
        if self._wake is not None:
            with contextlib.suppress(BlockingIOError):
                _read(self._wake[0], 4096)

    def _run_timers(self) -> None:
        while True:
            with self._lock:
                if not self._timers or self._timers[0][0] > monotonic():
                    return
                callback = heapq.heappop(self._timers)[2]
            self._call(callback)

    def _call(self, callback: Callback) -> None:
        """What one raises, for a fault of ours or for what a test has patched, is told and does not end the watching of all others."""
        try:
            callback()
        except Exception as exc:
            if repr(exc) != self._told:  # what is still ready calls back again
                self._told = repr(exc)
                tell(exc)
            sleep(_AFTER_FAILURE)

    def forget_everything(self) -> None:
        """In a forked child: the thread is not here, and the descriptors are the parent's business."""
        self._close()
        self.__init__()  # type: ignore[misc]


watcher: EventLoop = EventLoop()
os.register_at_fork(after_in_child=watcher.forget_everything)
