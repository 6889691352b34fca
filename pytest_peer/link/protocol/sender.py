"""Send messages so that none delays another and no interrupt tears one.

A small message on a quiet link is written by the thread that sends it, at once. A thread of ours
sends everything else: big messages in parts, in turns. It ends when the queue is empty.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Optional

from ...core.locks import Lock
from . import framing, messages
from .messages import MultipartMessage, Payload
from .streams import PipeStream
from .unpatched import _thread, select

#: One part of a big message; a small message waits for one part at most.
CHUNK = 1 << 20
#: A small message is written in one piece with its headers, ours and execnet's.
SMALL = select.PIPE_BUF - 96

Part = Any  # bytes, or a memoryview of them
Hook = Optional[Callable[[], object]]


class Transmission:
    """A message on its way.

    :param on_copy: called before the last part is sent, when later code may change the buffers.
    """

    def __init__(
        self, kind: int, ident: int, payload: Payload, in_order: bool, on_copy: Hook
    ) -> None:
        self.kind = kind
        self.ident = ident
        self.in_order = in_order
        self._on_copy = on_copy
        #: Flag and part of the coming items; a PART is a memoryview.
        self.left: deque[tuple[int, Part]] = deque()
        if not isinstance(payload, MultipartMessage):
            if len(payload) <= CHUNK:
                self.left.append((messages.WHOLE, payload))
                return
            payload = MultipartMessage(payload, [])
        segments = [(messages.AS_BYTES, payload.data), *payload.segments]
        table = b"".join(messages.SEGMENT.pack(kind, len(buffer)) for kind, buffer in segments)
        self.left.append((messages.TABLE, table))
        self.left.extend((messages.PART, memoryview(buf)) for _, buf in segments if len(buf))

    def next_item(self) -> tuple[int, Part]:
        flag, part = self.left.popleft()
        if flag == messages.PART and len(part) > CHUNK:
            self.left.appendleft((flag, part[CHUNK:]))
            part = part[:CHUNK]
        # The receiver gets the bytes of now; a copy of this size stays in the cache.
        part = _unchangeable(part)
        if not self.left:
            self.release()
        return flag, part

    def release(self) -> None:
        on_copy, self._on_copy = self._on_copy, None
        if on_copy is not None:
            on_copy()

    def snapshot(self) -> None:
        """Copy the rest of the buffers, which may change from now on."""
        self.left = deque((flag, _unchangeable(part)) for flag, part in self.left)


def _unchangeable(part: Part) -> Part:
    """Return the part, as a copy if later code may change it."""
    known = isinstance(part, bytes) or isinstance(part.obj, bytes)
    return part if known else memoryview(bytes(part))


class MessageSender:
    """Send messages over `stream` as items of our channel."""

    def __init__(self, stream: PipeStream) -> None:
        self._stream = stream
        # Reentrant: a signal handler may send in between, as a small write is atomic.
        self._lock = Lock()
        self._turns: deque[Transmission] = deque()
        # Messages in order, behind the one that has its turns now.
        self._behind: deque[Transmission] = deque()
        self._thread_runs = False
        # Held while the thread runs. No `Event`, which takes its lock in Python code: a signal
        # handler that raises just then would leave it locked.
        self._over = _thread.allocate_lock()

    def enqueue(
        self, kind: int, ident: int, payload: Payload, in_order: bool = False, on_copy: Hook = None
    ) -> None:
        """Send a message; may return before it has gone.

        :param in_order: do not overtake earlier messages that were sent with this.
        :param on_copy: called, on any thread, when the buffers of a `MultipartMessage` may change
            again, just before its last part is sent.
        :raises OSError: the link is closed.
        """
        small = not isinstance(payload, MultipartMessage) and len(payload) <= SMALL
        with self._lock:
            if small and not self._thread_runs:
                try:
                    self._send(kind, messages.WHOLE, ident, payload)
                    return
                except BlockingIOError:
                    pass
            transmission = Transmission(kind, ident, payload, in_order, on_copy)
            if not self._thread_runs:
                # Before it has something to do. The thread waits for the lock; if its start fails,
                # or a signal handler raises between these steps, it finds the queue empty or
                # another thread in its place, and ends.
                over = _thread.allocate_lock()
                over.acquire()
                _thread.start_new_thread(self._run, (over,))
                self._over = over
                self._thread_runs = True
            if in_order and any(other.in_order for other in self._turns):
                self._behind.append(transmission)
            else:
                self._turns.append(transmission)

    def snapshot(self, kind: int, ident: int) -> None:
        """Copy the buffers of that message that were not yet sent: they may change from now on."""
        with self._lock:
            for each in (*self._turns, *self._behind):
                if (each.kind, each.ident) == (kind, ident):
                    each.snapshot()

    def wait_idle(self, seconds: float | None) -> bool:
        """Wait until everything has gone; return whether it has within so many seconds."""
        over = self._over
        if not over.acquire(True, -1 if seconds is None else seconds):
            return False
        over.release()
        return True

    def _run(self, over: _thread.LockType) -> None:
        while True:
            with self._lock:
                if self._over is not over:
                    return  # `enqueue` was interrupted after it had started this thread
                if not self._turns:
                    self._thread_runs = False
                    over.release()
                    return
                transmission = self._turns[0]
                flag, part = transmission.next_item()
            if not self._sent(transmission, flag, part):
                # The link is closed; its end fails all pending calls.
                with self._lock:
                    lost = [*self._turns, *self._behind]
                    self._turns.clear()
                    self._behind.clear()
                for each in lost:
                    each.release()
                continue
            with self._lock:
                if transmission.left:
                    self._turns.rotate(-1)
                    continue
                self._turns.popleft()
                if transmission.in_order and self._behind:
                    self._turns.append(self._behind.popleft())

    def _sent(self, transmission: Transmission, flag: int, part: Part) -> bool:
        while True:
            try:
                self._send(transmission.kind, flag, transmission.ident, part)
                return True
            except BlockingIOError:
                self._stream.wait_writable()
            except OSError:
                return False

    def _send(self, kind: int, flag: int, ident: int, part: Part) -> None:
        """Send one item; raise BlockingIOError if it is small and there is no room for it now."""
        size = len(part)
        head = framing.head(kind, flag, ident, size)
        if size <= SMALL:  # written in one piece with its headers
            self._stream.write(head + part + framing.STOP)
        else:
            self._stream.write_parts([head, part, framing.STOP])
