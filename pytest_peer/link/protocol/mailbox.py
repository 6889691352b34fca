"""A named queue of messages, on either side of the link."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator

from .messages import Payload
from .unpatched import queue, threading


class Mailbox:
    """Messages in the order in which they were sent; a message that comes early waits here."""

    def __init__(self, name: str, decode: Callable[[Payload], Any], boxes: Mailboxes) -> None:
        self.name = name
        self._decode = decode
        self._boxes = boxes
        self._payloads: queue.SimpleQueue[Payload] = queue.SimpleQueue()

    def deliver(self, payload: Payload) -> None:
        """Put an encoded message in; `get` decodes it."""
        self._payloads.put(payload)

    def get(self, timeout: float | None = None) -> Any:
        """Take the oldest message out.

        :param timeout: seconds, ``None`` for no limit.
        :raises TimeoutError: no message came in time.
        :raises PeerDown: in the test, when all peers that could send one are down.
        """
        if timeout is not None and not timeout >= 0:
            raise ValueError("timeout: seconds must not be negative or NaN, got %r" % (timeout,))
        limit = None if timeout is None else min(timeout, threading.TIMEOUT_MAX)
        try:
            payload = self._take(limit)
        except queue.Empty:
            text = "no message in mailbox %r within %s s%s" % (self.name, timeout, self._hints())
            raise TimeoutError(text) from None
        return self._decode(payload)

    def _take(self, timeout: float | None) -> Payload:
        return self._payloads.get(timeout=timeout)

    def _hints(self) -> str:
        """Return what else a reader of the error should know: perhaps a name was misspelt."""
        holding = [box.name for box in list(self._boxes.values()) if box._payloads.qsize()]
        return "; there are messages in %s" % ", ".join(map(repr, holding)) if holding else ""

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield self.get()

    def __repr__(self) -> str:
        return "<Mailbox %r, %d waiting>" % (self.name, self._payloads.qsize())


class Mailboxes(Dict[str, Mailbox]):
    """All mailboxes of one owner; each is created when it is first named."""

    def __init__(self, make: Callable[[str, Mailboxes], Mailbox]) -> None:
        self._make = make

    def __missing__(self, name: str) -> Mailbox:
        if not isinstance(name, str):
            raise TypeError("mailbox: expected a name, got %r" % (name,))
        return self.setdefault(name, self._make(name, self))
