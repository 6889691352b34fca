"""Hides Python's warning of a fork beside threads while these are ours; also sent to peers.

The code under test has not started them. With ``-W error`` a fork would fail, and in Python 3.15
leave its child alone.
"""

import os
import threading
import warnings
from typing import Any


class _BesideOurs:
    @staticmethod
    def match(text: str) -> bool:
        ours = ("MainThread", "pytest-peer-", "peer-call-", "peer-event-")
        names = (thread.name for thread in threading.enumerate())
        return "multi-threaded, use of" in text and all(name.startswith(ours) for name in names)


_FILTER = ("ignore", _BesideOurs, DeprecationWarning, None, 0)


def _set() -> None:
    filters: Any = warnings.filters
    if filters[:1] != [_FILTER]:  # pytest, or the code under test, has put others in front
        filters.insert(0, _FILTER)


def _remove() -> None:
    filters: Any = warnings.filters
    filters[:] = [each for each in filters if each is not _FILTER]


# A peer that is forked has the filters of a new interpreter, until it forks.
os.register_at_fork(before=_set, after_in_child=_remove)
