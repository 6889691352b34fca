"""Named queues of messages, on either side of the link."""

from __future__ import annotations

import functools
from collections import deque
from typing import Any, Callable, Dict, Iterator

from ...core.clock import CALL_TIMEOUT, Periods, seconds
from ...core.sync import Event
from ...core.waiting import TaskWaiting, Waiting
from . import exceptions
from .messages import Payload
from .unpatched import queue


class Mailbox:
    """Messages in the order in which they were sent; a message that comes early waits here."""

    def __init__(
        self, name: str, decode: Callable[[Payload], Any], boxes: Mailboxes, mail: Event
    ) -> None:
        self.name = name
        self._decode = decode
        self._boxes = boxes
        self._payloads: deque[Payload] = deque()
        self._mail = mail  # is woken when a message has come
        #: Whether readers are to end.
        self.closed: bool = False

    def deliver(self, payload: Payload) -> None:
        """Put an encoded message in; `get` decodes it."""
        self._payloads.append(payload)
        self._mail.wake()

    def get(self, timeout: float | str | None = CALL_TIMEOUT) -> Any:
        """Take the oldest message out.

        :param timeout: seconds, ``None`` for no limit; by default ``call_timeout``, which is the
            peer's option, and in the test that of the settings.
        :raises TimeoutError: no message came in time; names other mailboxes that have some, casts
            that have failed, and peers that are down.
        :raises PeerDown: in the test, when all peers that could send one are down; or this is
            closed.
        :raises OSError: in a process that a peer has started, when the peer is down.
        """
        limit = self._limit(timeout)
        try:
            payload = self._take(limit)
        except queue.Empty as hints:
            raise self._late(limit, hints) from None
        return self._decode(payload)

    async def aget(self, timeout: float | str | None = CALL_TIMEOUT) -> Any:
        """Do as `get` in a task of asyncio or trio. One that is cancelled takes no message out."""
        limit = self._limit(timeout)
        try:
            payload = await self._atake(limit)
        except queue.Empty as hints:
            raise self._late(limit, hints) from None
        return self._decode(payload)

    def close(self) -> None:
        """Let iteration end, and `get` raise `PeerDown`, when no message is left."""
        self.closed = True
        self._mail.wake()

    def _limit(self, timeout: Any) -> float | None:
        return seconds("timeout", self._boxes.limit() if timeout == CALL_TIMEOUT else timeout)

    def _late(self, limit: Any, hints: object) -> TimeoutError:
        return TimeoutError("no message in mailbox %r within %g s%s" % (self.name, limit, hints))

    def _end(self, hints: str) -> Exception:
        error = exceptions.public("PeerDown", EOFError)
        found: Exception = error("mailbox %r is closed%s" % (self.name, hints))
        return found

    def _take(self, timeout: float | None) -> Payload:
        taken: list[Payload] = []
        if not self._wait(lambda: self._pop(taken) or self.closed, timeout):
            raise queue.Empty(self._hints())
        if not taken:
            raise self._end(self._hints())
        return taken[0]

    async def _atake(self, timeout: float | None) -> Payload:
        from . import awaiting  # not at the top: most peers need none

        taken: list[Payload] = []
        condition = lambda: self._pop(taken) or self.closed  # noqa: E731
        with TaskWaiting(self._word()):
            periods = Periods(timeout, bool)
            in_time = await awaiting.reached(condition, self._mail.call_back, periods)
        if not in_time:
            raise queue.Empty(self._hints())
        if not taken:
            raise self._end(self._hints())
        return taken[0]

    def _wait(self, reached: Callable[[], bool], timeout: float | None) -> bool:
        wait = functools.partial(self._mail.wait_for, reached)
        with Waiting(self._word()):
            return any(map(wait, Periods(timeout, bool)))

    def _word(self) -> str:
        return "mailbox %s" % self.name

    def _pop(self, taken: list[Payload]) -> bool:
        """Move the oldest message to `taken`, once; return whether it is there."""
        if not taken and self._payloads:
            try:
                taken.append(self._payloads.popleft())
            except IndexError:
                pass  # another thread was faster
        return bool(taken)

    def _hints(self) -> str:
        """Return what else a reader of the error should know: perhaps a name was misspelt."""
        holding = [box.name for box in list(self._boxes.values()) if box._payloads]
        return "; there are messages in %s" % ", ".join(map(repr, holding)) if holding else ""

    def __iter__(self) -> Iterator[Any]:
        while True:
            try:
                message = self.get(None)
            except Exception:
                if self.closed:
                    return
                raise
            yield message

    def __repr__(self) -> str:
        return "<Mailbox %r, %d waiting>" % (self.name, len(self._payloads))

    def __reduce__(self) -> Any:
        raise TypeError("a mailbox cannot be sent to another process; send its name")


class Mailboxes(Dict[str, Mailbox]):
    """All mailboxes of one owner; each is created when it is first named."""

    def __init__(
        self, make: Callable[[str, Mailboxes], Mailbox], limit: Callable[[], float | None]
    ) -> None:
        self._make = make
        #: Returns the limit of a `get` without one.
        self.limit = limit

    def __missing__(self, name: str) -> Mailbox:
        if not isinstance(name, str):
            raise TypeError("mailbox: expected a name, got %r" % (name,))
        return self.setdefault(name, self._make(name, self))
