"""The calls that have no answer yet."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import wait

from ..core.errors import PeerDown
from .futures import PeerFuture
from .futures import ReplyWaiter

__tracebackhide__ = True

PendingCall = PeerFuture | ReplyWaiter


class PendingCalls:
    """By their numbers. After the end of the peer there are none.

    Without a lock: each operation is one of the dictionary's, and what comes at the time of the end is found by the order of two of them.
    """

    def __init__(self) -> None:
        self._ids = itertools.count(1)
        self._calls: dict[int, PendingCall] = {}
        #: What a call raises after the end; ``None`` before.
        self.error: Callable[[], PeerDown] | None = None

    def number(self) -> int:
        """One that nothing else has."""
        return next(self._ids)

    def add(self, ident: int, call: PendingCall) -> None:
        """Expect an answer to that number.

        :raises PeerDown: none will come.
        """
        self._calls[ident] = call
        # In this order: `error` is set before `fail` looks who is pending.
        if self.error is not None:
            self._calls.pop(ident, None)
            raise self.error()

    def take(self, ident: int) -> PendingCall | None:
        """Whoever gets it from this answers it, or drops it; ``None`` if somebody else has it, or nobody waits any more."""
        return self._calls.pop(ident, None)

    def look_at(self, ident: int) -> PendingCall | None:
        """The same, without taking it."""
        return self._calls.get(ident)

    def wait(self) -> None:
        """Wait until the futures among them have their answers."""
        wait([each for each in list(self._calls.values()) if isinstance(each, PeerFuture)])

    def fail(self) -> None:
        """Let all fail with `error`, which is set."""
        assert self.error is not None
        for ident in list(self._calls):
            # Who reads may be at it too.
            call = self._calls.pop(ident, None)
            if call is not None:
                call.fail(self.error())
