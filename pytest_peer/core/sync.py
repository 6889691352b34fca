"""Conditions and events as in `threading`, for code that a signal may interrupt.

A signal handler on the main thread can raise between any two steps of Python code: for Ctrl-C, or
for a time limit. If it does so while `threading` enters or leaves a condition, a lock stays locked,
and the thread that reports the end of a peer hangs. Here C code enters and leaves, and no signal
handler runs meanwhile.
"""

from __future__ import annotations

import _thread
import threading
from collections.abc import Callable

from .clock import monotonic

_Lock = _thread.LockType


class _Waiters:
    """The waiting threads. Each has its own lock, so interrupting one does not affect others."""

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
            pass  # it has been woken

    def wake(self) -> None:
        while self._locks:
            try:
                self._locks.pop().release()
            except RecursionError:  # a RuntimeError, and the next attempt would raise it again
                raise
            except (IndexError, RuntimeError):
                pass  # another thread wakes them at the same time


class Condition(_thread.RLock):  # type: ignore[misc]  # for the type checker only it is final
    """Like `threading.Condition` with a lock of its own, without ``wait_for``.

    A thread that waits must have entered it only once.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiters = _Waiters()

    def wait(self, timeout: float | None = None) -> bool:
        """Release the lock and wait for a notification; return whether one came in time.

        :param timeout: seconds, ``None`` for no limit.
        """
        waiter = self._waiters.add()
        try:
            self.release()
            return _acquired(waiter, timeout)
        finally:
            try:
                self._own()
            finally:
                # Again, if that was interrupted: else the caller's `with` would fail and hide the
                # exception of the signal handler.
                self._own()
                self._waiters.discard(waiter)

    def _own(self) -> None:
        if not self._is_owned():  # type: ignore[attr-defined]
            self.acquire()

    def notify_all(self) -> None:
        self._waiters.wake()


class Event:
    """Like `threading.Event`, without ``clear``.

    It has no lock, so a signal handler that interrupts a waiting thread may wait too.
    """

    def __init__(self) -> None:
        self._is_set = False
        self._waiters = _Waiters()

    def is_set(self) -> bool:
        return self._is_set

    def set(self) -> None:
        """Let the event happen, and wake all waiting threads."""
        self._is_set = True
        self._waiters.wake()

    def wake(self) -> None:
        """Let the threads in `wait_for` check their predicates again."""
        self._waiters.wake()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the event; return whether it has happened in time.

        :param timeout: seconds, ``None`` for no limit.
        """
        return self.wait_for(self.is_set, timeout)

    def wait_for(self, predicate: Callable[[], bool], timeout: float | None) -> bool:
        """Wait until a predicate is true; return whether it is.

        :param predicate: the thread that makes it true calls `wake` afterwards.
        :param timeout: seconds, ``None`` for no limit.
        """
        deadline = None if timeout is None else monotonic() + timeout
        while not predicate():
            left = None if deadline is None else deadline - monotonic()
            waiter = self._waiters.add()
            try:
                # Checked after this thread is in the list: another one makes the predicate true
                # before it reads the list.
                if not predicate() and not _acquired(waiter, left):
                    return predicate()
            finally:
                self._waiters.discard(waiter)
        return True


def _acquired(lock: _Lock, timeout: float | None) -> bool:
    if timeout is None:
        return lock.acquire()
    return lock.acquire(True, max(0.0, min(timeout, threading.TIMEOUT_MAX)))
