"""The stacks of several lives at the same time."""

from __future__ import annotations

from collections.abc import Sequence

from ..core.clock import Thread
from ..core.clock import monotonic
from .lifecycle import PeerInstance

#: For each. Enough to look at one or a few from outside; what many tell on a signal takes a fraction of it.
_SECONDS = 3.0
#: Beyond that, for the threads that ask to come to an end.
_MORE = 1.0


def told(lives: Sequence[PeerInstance], occasion: str) -> list[str]:
    """What each tells, or why it does not, in as much time as one that is stuck takes; kept in ``stacks.txt``.

    :param occasion: the words for it in that file.
    """
    found = [f"no stacks: not within {_SECONDS:g} s"] * len(lives)

    def take(index: int) -> None:
        found[index] = lives[index].stacks.told(occasion, _SECONDS)

    deadline = monotonic() + _SECONDS + _MORE
    threads = [
        Thread(target=take, args=(index,), name="pytest-peer-stacks", daemon=True)
        for index in range(len(lives))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0.0, deadline - monotonic()))
    return list(found)
