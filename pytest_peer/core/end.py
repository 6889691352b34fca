"""The end of a peer as an event, and the work it makes, which has to wait for this and that."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable
from functools import partial

from .clock import Thread
from .clock import monotonic
from .loop import watcher
from .sync import Event

#: Work for which there is no thread has so long for somebody to come who waits; then the watcher does it, while all others wait.
_PATIENCE = 1.0

#: Can be done again if a signal's handler has raised in the middle of it.
Work = Callable[[], object]
_FIRST = deque.popleft


class End(Event):
    """Set by the work that `begin` was given."""

    def __init__(self) -> None:
        super().__init__()
        self._left: deque[Work] = deque()

    def begin(self, work: Work) -> None:
        """Do it on a thread; where none can be started any more, on that of somebody who waits, or on that of the watcher."""
        if not _on_thread(work):
            self._left.append(work)
            self.wake()
            watcher.call_later(_PATIENCE, partial(self._do_left, work))

    def _do_left(self, work: Work) -> None:
        try:
            self._left.remove(work)
        except ValueError:
            return  # somebody has it
        if not _on_thread(work):
            work()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it is set; return whether it is."""
        deadline = None if timeout is None else monotonic() + timeout
        while True:
            left = None if deadline is None else deadline - monotonic()
            self.wait_for(lambda: bool(self._left) or self._is_set, left)
            if self._do_one():
                continue
            if self._is_set or (deadline is not None and monotonic() >= deadline):
                return self._is_set

    def _do_one(self) -> bool:
        ours: deque[Work] = deque()
        try:
            with contextlib.suppress(IndexError):
                ours.extend(map(_FIRST, (self._left,)))  # at once, so that it is always somebody's
            for work in ours:
                work()
        except BaseException:
            # What a signal's handler raises: the waiting is over, and somebody has to do it again.
            for work in ours:
                self.begin(work)
            raise
        return bool(ours)


def _on_thread(work: Work) -> bool:
    try:
        Thread(target=work, name="pytest-peer-end", daemon=True).start()
    except RuntimeError:  # the interpreter is ending, or the system has no more threads for us
        return False
    return True
