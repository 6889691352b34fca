"""Runs what users want to be called when an answer is there."""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Callable

from .clock import Thread
from .unraisable import tell


class Callbacks:
    """One after the other on a thread that ends when nothing is left.

    Not where the answer is read: whoever reads a link must not wait, least of all for an answer that comes over it, and what a
    callback raises must not end that.
    """

    def __init__(self, name: str = "pytest-peer-callbacks") -> None:
        self._name = name
        self._lock = threading.RLock()
        self._waiting: deque[Callable[[], object]] = deque()
        self._thread: Thread | None = None

    def run(self, callback: Callable[[], object]) -> None:
        """Have it run soon; here where an interpreter that is ending starts no thread any more."""
        with self._lock:
            # It may have died of what is not ours: a tracing function that raises.
            if self._thread is None or self._thread.over:
                thread = Thread(target=self._run, name=self._name, daemon=True)
                try:
                    # It waits for the lock, and ends at once if a signal's handler raises before it is known.
                    thread.start()
                except RuntimeError:
                    callback()
                    return
                self._thread = thread
            self._waiting.append(callback)

    def _run(self) -> None:
        while True:
            with self._lock:
                if self._thread is not threading.current_thread():
                    return
                if not self._waiting:
                    self._thread = None
                    return
                callback = self._waiting.popleft()
            try:
                callback()
            except BaseException as exc:
                tell(exc)


callbacks: Callbacks = Callbacks()
os.register_at_fork(after_in_child=callbacks.__init__)  # type: ignore[misc]
