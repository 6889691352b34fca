"""What threads and tasks wait for in our own words; also sent to peers.

The kernel knows of such a wait only that it is one for a lock.
"""

from __future__ import annotations

import sys
from _thread import get_ident, get_native_id
from typing import Any


class Waiting:
    """While in this block, the thread waits for `word`, as ``Blocked.on`` says it.

    An empty word is a wait for an answer of ours: the call goes on.
    """

    def __init__(self, word: str, request: int = 0, process: int = 0) -> None:
        self.word = word
        #: The number of the request to the origin whose answer it is; 0 for none.
        self.request = request
        #: For which process that the peer has started it waits; 0 for itself.
        self.process = process
        #: The thread in the kernel.
        self.number: int = get_native_id()
        self._table, self._key = self._place()

    def _place(self) -> tuple[dict[int, Waiting], int]:
        return threads, get_ident()

    def __enter__(self) -> None:
        self._before = self._table.get(self._key)
        self._table[self._key] = self

    def __exit__(self, *_: Any) -> None:
        if self._before is None:
            self._table.pop(self._key, None)
        else:
            self._table[self._key] = self._before


class TaskWaiting(Waiting):
    """The same for the task of asyncio that runs; elsewhere nothing is noted."""

    def _place(self) -> tuple[dict[int, Waiting], int]:
        asyncio: Any = sys.modules.get("asyncio")
        try:
            return tasks, id(asyncio.current_task())
        except (AttributeError, RuntimeError):  # it is being imported, or runs no task
            return {}, 0


#: By the thread's identifier.
threads: dict[int, Waiting] = {}
#: By the task's identity.
tasks: dict[int, Waiting] = {}


def trio_of_task() -> Any:
    """Return the module if a task of trio calls this."""
    trio: Any = sys.modules.get("trio")
    try:
        return trio and trio.lowlevel.current_task() and trio
    except (AttributeError, RuntimeError):  # it is being imported, or runs no task
        return None
