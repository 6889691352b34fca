"""Sends messages so that none delays another, and that no interruption tears one.

A small message on a quiet link is written by its sender at once. Everything else is left to a thread, which sends big
messages in parts by turns and ends when nothing is left.
"""

from __future__ import annotations

import _thread
import select
import threading
from collections import deque
from typing import Any
from typing import Callable

from . import messages
from .segments import MultipartMessage
from .segments import Payload

#: One part of a big message: what a small message behind it waits for.
CHUNK = 1 << 20
#: A small message with its headers, ours and execnet's, is written in one piece.
SMALL = select.PIPE_BUF - 96

Part = Any  # bytes, or a memoryview of them


class Transmission:
    """A message on its way.

    :param taken: called when the rest has been taken, so that the buffers may change, and before it is sent.
    """

    def __init__(
        self,
        kind: int,
        ident: int,
        payload: Payload,
        in_order: bool,
        taken: Callable[[], object] | None,
    ) -> None:
        self.kind = kind
        self.ident = ident
        self.in_order = in_order
        self.done = False
        self._taken = taken
        self._table = b""
        self._left: deque[tuple[memoryview, bool]] = deque()
        if not isinstance(payload, MultipartMessage) and len(payload) <= CHUNK:
            self._whole: Part = payload
            return
        self._whole = None
        parcel = payload if isinstance(payload, MultipartMessage) else MultipartMessage(payload, [])
        segments = [(messages.AS_BYTES, parcel.data), *parcel.segments]
        self._table = messages.table([(kind, len(buffer)) for kind, buffer in segments])
        self._left.extend(
            (memoryview(buffer), type(buffer) is not bytes) for _, buffer in segments if len(buffer)
        )

    def next_item(self) -> tuple[int, Part]:
        """Flag and part of the next item."""
        if self._whole is not None:
            self.done = True
            return messages.WHOLE, self._whole
        if self._table:
            table, self._table = self._table, b""
            return messages.TABLE, table
        view, changeable = self._left.popleft()
        part: Part = view[:CHUNK]
        if changeable:  # the peer gets what it was now; a copy of this size stays in the cache
            part = bytes(part)
        if len(view) > CHUNK:
            self._left.appendleft((view[CHUNK:], changeable))
        self.done = not self._left
        if self.done:
            self.let_go()
        return messages.PART, part

    def let_go(self) -> None:
        """The buffers are not needed any more."""
        taken, self._taken = self._taken, None
        if taken is not None:
            taken()

    def keep(self) -> None:
        """From now on the buffers may change: copy what is left of them."""
        self._left = deque(
            (memoryview(bytes(view)) if changeable else view, False)
            for view, changeable in self._left
        )


class MessageSender:
    """`send` sends an item, given its kind, flag, id and part; a small one for which there is no room now fails with
    BlockingIOError, and is tried again after `wait_writable`.
    """

    def __init__(
        self,
        send: Callable[[int, int, int, Part], object],
        wait_writable: Callable[[], object],
    ) -> None:
        self._send = send
        self._wait_writable = wait_writable
        # Reentrant: a signal handler may post while its thread is in here. A small write is atomic, so it may come between.
        self._lock = threading.RLock()
        self._turns: deque[Transmission] = deque()
        # Messages that must not overtake the one of their kind that has its turns now.
        self._behind: deque[Transmission] = deque()
        self._thread_runs = False
        # Held while the thread runs. No `Event`: that takes its lock in Python code, and a signal's handler that raises just then
        # leaves it locked.
        self._over = _thread.allocate_lock()

    def post(
        self,
        kind: int,
        ident: int,
        payload: Payload,
        in_order: bool = False,
        direct: bool = True,
        taken: Callable[[], object] | None = None,
    ) -> None:
        """Send a message; return before it has gone.

        :param in_order: do not overtake earlier messages that were posted with this.
        :param direct: ``False`` where nothing may be sent, in a callback of the receiver.
        :param taken: called, on any thread, when the buffers of a parcel may change again, just before the last of it is sent.
        :raises OSError: the link is closed.
        """
        with self._lock:
            if (
                not self._thread_runs
                and direct
                and not isinstance(payload, MultipartMessage)
                and len(payload) <= SMALL
            ):
                try:
                    self._send(kind, messages.WHOLE, ident, payload)
                    return
                except BlockingIOError:
                    pass
            transfer = Transmission(kind, ident, payload, in_order, taken)
            if not self._thread_runs:
                # Before there is something for it to do: it waits for the lock, and if the start fails, or a signal's handler
                # raises between these steps, it finds nothing, or that it is not the one, and ends.
                over = _thread.allocate_lock()
                over.acquire()
                _thread.start_new_thread(self._run, (over,))
                self._over = over
                self._thread_runs = True
            if in_order and any(other.in_order for other in self._turns):
                self._behind.append(transfer)
            else:
                self._turns.append(transfer)

    def keep(self, kind: int, ident: int) -> None:
        """The buffers of that message may change from now on, whether it has gone or not."""
        with self._lock:
            for transfer in (*self._turns, *self._behind):
                if (transfer.kind, transfer.ident) == (kind, ident):
                    transfer.keep()

    def wait_idle(self, seconds: float | None) -> bool:
        """Wait until everything has gone."""
        over = self._over
        if not over.acquire(True, -1 if seconds is None else seconds):
            return False
        over.release()
        return True

    def _run(self, over: _thread.LockType) -> None:
        while True:
            with self._lock:
                if self._over is not over:
                    return  # the post that started it was interrupted, and another one has started its successor
                if not self._turns:
                    self._thread_runs = False
                    over.release()
                    return
                transfer = self._turns[0]
                flag, part = transfer.next_item()
            if not self._sent(transfer, flag, part):
                # The link is closed: whoever waits for an answer learns it from the link's end.
                with self._lock:
                    lost = [*self._turns, *self._behind]
                    self._turns.clear()
                    self._behind.clear()
                for transfer in lost:
                    transfer.let_go()
                continue
            with self._lock:
                if not transfer.done:
                    self._turns.rotate(-1)
                    continue
                self._turns.popleft()
                if transfer.in_order and self._behind:
                    self._turns.append(self._behind.popleft())

    def _sent(self, transfer: Transmission, flag: int, part: Part) -> bool:
        while True:
            try:
                self._send(transfer.kind, flag, transfer.ident, part)
                return True
            except BlockingIOError:
                self._wait_writable()
            except OSError:
                return False
