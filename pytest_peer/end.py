"""The end of a peer as an event, and the work it makes, which has to wait for this and that."""

from __future__ import annotations

from collections.abc import Callable

from .unpatched import Thread
from .waiting import Condition


class End:
    """An event; set by the work that `begin` was given."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._is_set = False
        self._work: Callable[[], object] | None = None

    def begin(self, work: Callable[[], object]) -> None:
        """Do it on a thread; where an interpreter that is ending starts none any more, on that of somebody who waits."""
        try:
            Thread(target=work, name="pytest-peer-end", daemon=True).start()
        except RuntimeError:
            with self._changed:
                self._work = work
                self._changed.notify_all()

    def set(self) -> None:
        """The peer is down."""
        with self._changed:
            self._is_set = True
            self._changed.notify_all()

    def wait(self, seconds: float | None) -> bool:
        """Wait until it is set; return whether it is."""
        with self._changed:
            self._changed.wait_for(lambda: self._work is not None or self._is_set, seconds)
            work, self._work = self._work, None
        if work is not None:
            work()
        return self._is_set
