"""`threading`'s conditions and events, for code that a signal may interrupt.

What a signal's handler raises on the main thread, Ctrl-C or a time limit, can come between any two steps of Python code. In those
of `threading` that are run to enter and leave a condition, it leaves a lock behind that nobody releases, and whoever reports the
end of a peer hangs. Here entering and leaving is C code, which nothing interrupts.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable

from .clock import monotonic

_Lock = _thread.LockType


class _Waiters:
    """Who waits: each for a lock of its own, so that one who is interrupted takes nothing along."""

    def __init__(self) -> None:
        self._locks: list[_Lock] = []

    def add(self) -> _Lock:
        lock = _thread.allocate_lock()
        lock.acquire()
        self._locks.append(lock)
        return lock

    def discard(self, lock: _Lock) -> None:
        try:
            self._locks.remove(lock)
        except ValueError:
            pass  # it was woken

    def wake(self) -> None:
        while self._locks:
            try:
                self._locks.pop().release()
            except RecursionError:  # it will be no other the next time
                raise
            except (IndexError, RuntimeError):
                pass  # somebody else wakes them too


class Condition(_thread.RLock):  # type: ignore[misc]  # for the type checker only it is final
    """As `threading.Condition` with a lock of its own, without ``wait_for``. To be entered once by who waits."""

    def __init__(self) -> None:
        super().__init__()
        self._waiters = _Waiters()

    def wait(self, timeout: float | None = None) -> bool:
        """Let go of it until it is notified; return whether it was within so many seconds."""
        waiter = self._waiters.add()
        try:
            self.release()
            return _acquired(waiter, timeout)
        finally:
            try:
                self._own()
            finally:  # again, if that was interrupted: else the caller's `with` would fail, and hide what has interrupted it
                self._own()
                self._waiters.discard(waiter)

    def _own(self) -> None:
        if not self._is_owned():  # type: ignore[attr-defined]
            self.acquire()

    def notify_all(self) -> None:
        """Wake all who wait."""
        self._waiters.wake()


class Event:
    """As `threading.Event`, without ``clear``. There is no lock, so the handler of a signal that interrupts who waits may wait, too."""

    def __init__(self) -> None:
        self._is_set = False
        self._waiters = _Waiters()

    def is_set(self) -> bool:
        """Whether it has happened."""
        return self._is_set

    def set(self) -> None:
        """It has happened."""
        self._is_set = True
        self._waiters.wake()

    def wake(self) -> None:
        """Let those who wait for something else than that look again."""
        self._waiters.wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has happened; return whether it has within so many seconds."""
        return self.wait_for(self.is_set, timeout)

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until that is so; return whether it is. Who makes it so calls `wake`."""
        deadline = None if timeout is None else monotonic() + timeout
        while not predicate():
            left = None if deadline is None else deadline - monotonic()
            waiter = self._waiters.add()
            try:
                # Looked at after we are known: who makes it so does that before it looks who waits.
                if not predicate() and not _acquired(waiter, left):
                    return predicate()
            finally:
                self._waiters.discard(waiter)
        return True


def _acquired(lock: _Lock, timeout: float | None) -> bool:
    if timeout is None:
        return lock.acquire()
    return lock.acquire(True, max(0.0, min(timeout, threading.TIMEOUT_MAX)))
