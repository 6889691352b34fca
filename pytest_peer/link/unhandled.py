"""Failures in peers that nobody has seen: they become warnings."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any
from weakref import ref

from ..core.errors import UnhandledPeerException


class Unhandled:
    """The failures that nobody has seen so far; takes no lock, so any thread may add one."""

    def __init__(self) -> None:
        # By what returns the future that somebody may still ask, if there is one; earliest first.
        self._texts: dict[Callable[[], object], Callable[[], str]] = {}
        #: Whether the peers are being stopped: then code fails because others have ended.
        self.closing: bool = False

    def add(self, text: Callable[[], str], future: Future[Any] | None = None) -> None:
        """Add a failure, perhaps of a future; `text` may return nothing if it is none after all."""
        self._texts[ref(future) if future is not None else lambda: None] = text

    def forget(self, future: Future[Any]) -> None:
        """Forget the failure of a future: somebody sees it."""
        self._texts.pop(ref(future), None)

    def texts(self) -> list[str]:
        return [shown for text in list(self._texts.values()) if (shown := text())]

    def warnings(self, closed: bool) -> Iterator[UnhandledPeerException]:
        """Forget all failures, and yield warnings; those of living futures only if `closed`."""
        for future in list(self._texts):
            if closed or future() is None:
                text = self._texts.pop(future, str)()  # unless it was asked just now
                if text:
                    yield UnhandledPeerException(text)
