"""The end of a peer as an event, and the work it makes, which has to wait for this and that."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from functools import partial

from .unpatched import Thread
from .unpatched import monotonic
from .waiting import Condition
from .watcher import watcher

#: Work for which there is no thread has so long for somebody to come who waits; then the watcher does it, while all others wait.
_PATIENCE = 1.0

Work = Callable[[], object]


class End:
    """An event; set by the work that `begin` was given."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._is_set = False
        self._left: deque[Work] = deque()

    def begin(self, work: Work) -> None:
        """Do it on a thread; where none can be started any more, on that of somebody who waits, or on that of the watcher."""
        if not _on_thread(work):
            with self._changed:
                self._left.append(work)
                self._changed.notify_all()
            watcher.call_later(_PATIENCE, partial(self._do_left, work))

    def _do_left(self, work: Work) -> None:
        with self._changed:
            if work not in self._left:
                return  # somebody has it
            self._left.remove(work)
        if not _on_thread(work):
            work()

    def set(self) -> None:
        """The peer is down."""
        with self._changed:
            self._is_set = True
            self._changed.notify_all()

    def wait(self, seconds: float | None) -> bool:
        """Wait until it is set; return whether it is."""
        deadline = None if seconds is None else monotonic() + seconds
        while True:
            left = None if deadline is None else deadline - monotonic()
            with self._changed:
                self._changed.wait_for(lambda: bool(self._left) or self._is_set, left)
                work = self._left.popleft() if self._left else None
            if work is None:
                return self._is_set
            work()


def _on_thread(work: Work) -> bool:
    try:
        Thread(target=work, name="pytest-peer-end", daemon=True).start()
    except RuntimeError:  # the interpreter is ending, or the system has no more threads for us
        return False
    return True
