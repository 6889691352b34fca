"""Failures in peers that nobody has seen: they become warnings. Those of plugins are the test's."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any
from weakref import ref

from ..core.errors import UnhandledPeerException

_PLUGINS = "pytest_assume.plugin pytest_check.check_log pytest_check.check_raises"
_PLUGINS += " pytest_check.context_manager pytest_check.pseudo_traceback"

#: Names of peers, each with a failure that a plugin has collected there.
collected: list[Any] = []
_texts: list[str] = []


def settings() -> dict[str, dict[str, object]]:
    """Return the plain values in the modules of pytest-check and pytest-assume, for a peer's."""
    found = {
        name: vars(sys.modules[name]).items() for name in _PLUGINS.split() if name in sys.modules
    }
    plain = int, str, type(None)
    return {n: {k: v for k, v in found[n] if isinstance(v, plain) and k[:2] != "__"} for n in found}


def collect(_: object, *failure: Any) -> bool:
    collected.append(failure)
    return True


def take() -> None:
    """Give to the plugins what was collected, on the thread of the test, which may end by that."""
    every = collected[:]
    del collected[: len(every)]
    for peer, failure in every:
        if callable(failure):
            # pytest-check's traceback ends at a frame of `exec`; the peer's is in the text.
            exec("give()", {"give": lambda: failure()})  # noqa: B023
        elif type(failure).__module__ == "pytest_assume.plugin":
            sys.modules["pytest_assume.plugin"]._FAILED_ASSUMPTIONS.append(failure)
        else:
            _texts.append(f"{failure}\nin peer {peer!r}")


def left() -> str:
    """Do so, and return the texts of what was no plugin's."""
    take()
    text, _texts[:] = "\n\n".join(_texts), ()
    return text


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
