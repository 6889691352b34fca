"""Sends messages so that none delays another, and that no interruption tears one.

A small message on a quiet link is written by its sender at once. Everything else is left to a thread, which sends big
messages in chunks by turns and ends when nothing is left.
"""

from __future__ import annotations

import _thread
import select
import threading
from collections import deque
from typing import Callable

from . import wire

#: One item of a big message: what a small message behind it waits for.
CHUNK = 1 << 20
#: A small message with its headers, ours and execnet's, is written in one piece.
SMALL = select.PIPE_BUF - 96


class _Transfer:
    """A message on its way."""

    def __init__(self, kind: int, ident: int, payload: bytes, in_order: bool) -> None:
        self.kind = kind
        self.ident = ident
        self.in_order = in_order
        self._payload = memoryview(payload)
        self._sent = 0
        self.done = False

    def next_item(self) -> bytes:
        part = self._payload[self._sent : self._sent + CHUNK]
        self._sent += len(part)
        self.done = self._sent == len(self._payload)
        return wire.item(self.kind, self.ident, self.done, bytes(part))


class Outbox:
    """`send` sends an item; a small one for which there is no room now fails with an OSError caused by BlockingIOError, and is
    tried again after `wait_writable`.
    """

    def __init__(
        self, send: Callable[[bytes], object], wait_writable: Callable[[], object]
    ) -> None:
        self._send = send
        self._wait_writable = wait_writable
        # Reentrant: a signal handler may post while its thread is in here. A small write is atomic, so it may come between.
        self._lock = threading.RLock()
        self._turns: deque[_Transfer] = deque()
        # Messages that must not overtake the one of their kind that has its turns now.
        self._behind: deque[_Transfer] = deque()
        self._thread_runs = False
        self._idle = threading.Event()
        self._idle.set()

    def post(
        self, kind: int, ident: int, payload: bytes, in_order: bool = False, direct: bool = True
    ) -> None:
        """Send a message; return before it has gone.

        :param in_order: do not overtake earlier messages that were posted with this.
        :param direct: ``False`` where nothing may be sent, in a callback of the receiver.
        :raises OSError: the link is closed.
        """
        with self._lock:
            if direct and not self._thread_runs and len(payload) <= SMALL:
                try:
                    self._send(wire.item(kind, ident, True, payload))
                    return
                except OSError as exc:
                    if not _no_room(exc):
                        raise
            transfer = _Transfer(kind, ident, payload, in_order)
            if in_order and any(other.in_order for other in self._turns):
                self._behind.append(transfer)
            else:
                self._turns.append(transfer)
            if not self._thread_runs:
                self._thread_runs = True
                self._idle.clear()
                _thread.start_new_thread(self._run, ())

    def wait_idle(self, seconds: float) -> bool:
        """Wait until everything has gone."""
        return self._idle.wait(seconds)

    def _run(self) -> None:
        while True:
            with self._lock:
                if not self._turns:
                    self._thread_runs = False
                    self._idle.set()
                    return
                transfer = self._turns[0]
            if not self._sent(transfer.next_item()):
                # The link is closed: whoever waits for an answer learns it from the link's end.
                with self._lock:
                    self._turns.clear()
                    self._behind.clear()
                continue
            with self._lock:
                if not transfer.done:
                    self._turns.rotate(-1)
                    continue
                self._turns.popleft()
                if transfer.in_order and self._behind:
                    self._turns.append(self._behind.popleft())

    def _sent(self, item: bytes) -> bool:
        while True:
            try:
                self._send(item)
                return True
            except OSError as exc:
                if not _no_room(exc):
                    return False
            self._wait_writable()


def _no_room(exc: OSError) -> bool:
    return isinstance(exc, BlockingIOError) or isinstance(exc.__cause__, BlockingIOError)
