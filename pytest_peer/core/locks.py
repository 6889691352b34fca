"""The lock of this package, which no signal handler leaves locked; also sent to peers.

A handler may raise between any two steps of Python code. `with` enters and leaves a lock that is
written in C in one step each, but for Python 3.14 (CPython's issue 148874): there a handler may
raise when ``__enter__`` has returned, before the block begins.

It is reentrant: a handler that interrupts a block may use it too.
"""

from __future__ import annotations

import _thread
import sys
from collections import deque
from typing import Deque

__all__ = ["Lock", "ReadLock", "transfer"]

#: A lock to read a descriptor, which is in one deque of several: in that of who reads.
ReadLock = Deque[int]
_POP = deque.pop

if sys.version_info[:2] != (3, 14):
    from _thread import RLock as Lock
else:

    class Lock(_thread.RLock):
        """Undoes an ``__enter__`` that is interrupted; one in Python returns in one step."""

        def __enter__(self) -> bool:
            held = self._recursion_count()
            try:
                return self.acquire()
            except BaseException:
                if self._recursion_count() > held:
                    self.release()
                raise


def transfer(source: ReadLock, target: ReadLock) -> bool:
    """Move the lock from one deque to another in one step; return whether it was there."""
    try:
        target.extend(map(_POP, (source,)))
    except IndexError:
        return False
    return True
