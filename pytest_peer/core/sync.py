"""An event as in `threading`, for code that a signal may interrupt; also sent to peers.

A signal handler on the main thread can raise between any two steps of Python code: for Ctrl-C, or
for a time limit. If it does so while `threading` enters or leaves a condition, a lock stays locked.
So this package has no conditions. Its locks are those of `core.locks`.
"""

from __future__ import annotations

import threading
from _thread import LockType, allocate_lock
from collections.abc import Callable

from .clock import monotonic


class _Callback:
    """Stands among the locks of those that wait."""

    def __init__(self, fn: Callable[[], object]) -> None:
        self.release = fn


class Event:
    """Like `threading.Event` without ``clear``. Each wait has its lock: a handler may wait too."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiters: list[LockType | _Callback] = []

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        self._is_set = True
        self.wake()

    def wake(self) -> None:
        """Let the threads in `wait_for` check their predicates again."""
        while self._waiters:
            try:
                self._waiters.pop().release()
            except IndexError:
                pass  # another thread wakes them at the same time

    def call_back(self, fn: Callable[[], object]) -> Callable[[], object]:
        """Have `fn` called at the next `wake`, on its thread; return what undoes that."""
        waiter = _Callback(fn)
        self._waiters.append(waiter)

        def undo() -> None:
            try:
                self._waiters.remove(waiter)
            except ValueError:
                pass  # it has been called

        if self._is_set:
            self.wake()
        return undo

    def wait(self, timeout: float | None = None) -> bool:
        return self.wait_for(self.is_set, timeout)

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None) -> bool:
        """Return whether `predicate` is true in time; who makes it true calls `wake` afterwards."""
        deadline = None if timeout is None else monotonic() + timeout
        while not predicate():
            left = -1.0
            if deadline is not None:
                left = max(0.0, min(deadline - monotonic(), threading.TIMEOUT_MAX))
            waiter = allocate_lock()
            waiter.acquire()
            self._waiters.append(waiter)
            try:
                # Checked again, in the list: the other thread reads the list after the change.
                if not predicate() and not waiter.acquire(timeout=left):
                    return predicate()
            finally:
                try:
                    self._waiters.remove(waiter)
                except ValueError:
                    pass  # it has been woken
        return True
