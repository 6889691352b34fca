"""A named queue of messages, on either side of the link."""

from __future__ import annotations

from typing import Any, Callable, Dict, Iterator

from .messages import Payload
from .unpatched import queue, threading


class Mailbox:
    """Messages in the order in which they were sent; a message that comes early waits here."""

    def __init__(self, name: str, decode: Callable[[Payload], Any]) -> None:
        self.name = name
        self._decode = decode
        self._payloads: queue.SimpleQueue[Payload] = queue.SimpleQueue()

    def deliver(self, payload: Payload) -> None:
        """Put an encoded message in; `get` decodes it."""
        self._payloads.put(payload)

    def get(self, timeout: float | None = None) -> Any:
        """Take the oldest message out.

        :param timeout: seconds, ``None`` for no limit.
        :raises TimeoutError: no message came in time.
        """
        if timeout is not None and not timeout >= 0:
            raise ValueError("timeout: seconds must not be negative or NaN, got %r" % (timeout,))
        try:
            payload = self._payloads.get(
                timeout=None if timeout is None else min(timeout, threading.TIMEOUT_MAX)
            )
        except queue.Empty:
            raise TimeoutError(
                "no message in mailbox %r within %s s" % (self.name, timeout)
            ) from None
        return self._decode(payload)

    def __iter__(self) -> Iterator[Any]:
        while True:
            yield self.get()

    def __repr__(self) -> str:
        return "<Mailbox %r, %d waiting>" % (self.name, self._payloads.qsize())


class Mailboxes(Dict[str, Mailbox]):
    """All mailboxes of one owner; each is created when it is first named."""

    def __init__(self, decode: Callable[[Payload], Any]) -> None:
        self._decode = decode

    def __missing__(self, name: str) -> Mailbox:
        if not isinstance(name, str):
            raise TypeError("mailbox: expected a name, got %r" % (name,))
        return self.setdefault(name, Mailbox(name, self._decode))
