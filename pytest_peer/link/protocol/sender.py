"""Send messages so that none delays another and no interrupt tears one.

A small message on a quiet link is written by the thread that sends it, at once. A thread of ours
sends everything else: big messages in parts, in turns. It ends when the queue is empty.
"""

from __future__ import annotations

from collections import deque
from typing import Any, Callable, Optional

from . import framing, messages
from .messages import MultipartMessage, Payload
from .streams import PipeStream
from .unpatched import _thread, select

#: One part of a big message; a small message waits for one part at most.
CHUNK = 1 << 20
#: A small message is written in one piece with its headers, ours and execnet's.
SMALL = select.PIPE_BUF - 96
#: How long others let the thread begin, and do not look again.
_START_SECONDS = 0.001
#: Between two looks whether everything has gone.
_POLL_SECONDS = 0.001

Part = Any  # bytes, or a memoryview of them
Hook = Optional[Callable[[], object]]


class WouldWait(Exception):
    """A signal handler or finalizer has interrupted the thread that would have to send."""


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
        # Flag and part of each item; a PART is a memoryview, sent in chunks.
        self._parts: list[tuple[int, Part]] = []
        self._next = self._offset = 0
        if not isinstance(payload, MultipartMessage):
            if len(payload) <= CHUNK:
                self._parts.append((messages.WHOLE, payload))
                return
            payload = MultipartMessage(payload, [])
        segments = [(messages.AS_BYTES, payload.data), *payload.segments]
        table = b"".join(messages.SEGMENT.pack(kind, len(buffer)) for kind, buffer in segments)
        self._parts.append((messages.TABLE, table))
        self._parts.extend((messages.PART, memoryview(buf)) for _, buf in segments if len(buf))

    @property
    def left(self) -> bool:
        return self._next < len(self._parts)

    def next_item(self) -> tuple[int, Part]:
        while True:
            flag, whole = entry = self._parts[self._next]
            part = whole
            if flag == messages.PART:
                part = whole[self._offset : self._offset + CHUNK]
            # The receiver gets the bytes of now; a copy of this size stays in the cache.
            part = _unchangeable(part)
            if self._parts[self._next] is entry:  # else `snapshot` came before the copy
                break
        self._offset += len(part)
        if self._offset >= len(whole):
            self._parts[self._next] = messages.WHOLE, b""
            self._next, self._offset = self._next + 1, 0
        # No view is left when others hear of it: a bytearray that has one cannot be resized.
        del entry, whole
        if not self.left:
            self.release()
        return flag, part

    def release(self) -> None:
        on_copy, self._on_copy = self._on_copy, None
        if on_copy is not None:
            on_copy()

    def snapshot(self) -> None:
        """Copy the rest of the buffers, which may change from now on."""
        for index in range(self._next, len(self._parts)):
            flag, part = self._parts[index]
            self._parts[index] = flag, _unchangeable(part)


def _unchangeable(part: Part) -> Part:
    """Return the part, as a copy if later code may change it."""
    known = isinstance(part, bytes) or isinstance(part.obj, bytes)
    return part if known else memoryview(bytes(part))


class MessageSender:
    """Send messages over `stream` as items of our channel.

    `enqueue` and `snapshot` hold no lock that our thread needs: a signal handler or finalizer that
    interrupts them may call the peer, and wait until that has gone.
    """

    def __init__(self, stream: PipeStream) -> None:
        self._stream = stream
        self._arrived: deque[Transmission] = deque()
        # By our thread, which has not yet sent all of them.
        self._taken: set[Transmission] = set()
        # Held by the thread while it sends. A further one waits, and finds nothing to do.
        self._running = _thread.allocate_lock()
        self._thread = 0

    def _interrupted(self) -> bool:
        """Whether this is a signal handler or finalizer, in a thread that is just sending."""
        return self._thread == _thread.get_ident() or self._stream.held_here()

    def enqueue(
        self,
        kind: int,
        ident: int,
        payload: Payload,
        in_order: bool = False,
        on_copy: Hook = None,
        awaited: bool = False,
    ) -> None:
        """Send a message; may return before it has gone.

        :param in_order: do not overtake earlier messages that were sent with this.
        :param on_copy: called, on any thread, when the buffers of a `MultipartMessage` may change
            again, just before its last part is sent.
        :param awaited: the caller waits until it has gone.
        :raises OSError: the link is closed.
        :raises WouldWait: it would wait for itself.
        """
        small = not isinstance(payload, MultipartMessage) and len(payload) <= SMALL
        if small and not self.is_busy():
            try:
                self._send(kind, messages.WHOLE, ident, payload)
                return
            except BlockingIOError:
                pass
        if awaited and self._interrupted():
            raise WouldWait
        transmission = Transmission(kind, ident, payload, in_order, on_copy)
        try:
            self._arrived.append(transmission)
            if not self._running.locked():
                begun = _thread.allocate_lock()
                begun.acquire()
                _thread.start_new_thread(self._run, (begun,))
                begun.acquire(True, _START_SECONDS)  # or the next message starts another one
        except BaseException:  # no more threads, or a signal handler has raised
            if self._remove(transmission):
                transmission.release()
            raise

    def _remove(self, transmission: Transmission) -> bool:
        try:
            self._arrived.remove(transmission)
        except ValueError:
            return False  # another thread was first
        return True

    def is_busy(self) -> bool:
        """Return whether something has not gone yet."""
        return bool(self._arrived) or self._running.locked()

    def snapshot(self, kind: int, ident: int) -> None:
        """Copy the buffers of that message that were not yet sent: they may change from now on."""
        for each in [*self._arrived.copy(), *self._taken.copy()]:
            if (each.kind, each.ident) == (kind, ident):
                each.snapshot()

    def wait_idle(self, seconds: float | None) -> bool:
        """Wait until everything has gone; return whether it has within so many seconds."""
        while self.is_busy():  # not by the lock: who held it would keep others from a start
            if seconds is not None:
                if seconds <= 0:
                    return False
                seconds -= _POLL_SECONDS
            select.select((), (), (), _POLL_SECONDS)
        return True

    def _run(self, begun: _thread.LockType) -> None:
        own = _thread.get_ident()
        while self._arrived:  # also by a message that came before the release
            with self._running:
                self._thread = own
                if begun.locked():
                    begun.release()
                try:
                    self._send_arrived()
                finally:
                    self._thread = 0  # the next thread of the user's may get our number
        if begun.locked():  # another thread has sent it
            begun.release()

    def _send_arrived(self) -> None:
        turns: deque[Transmission] = deque()
        behind: deque[Transmission] = deque()  # in order, after the one that has its turns now
        transmission = None
        while turns or self._arrived:
            for each in self._arrived.copy():
                self._taken.add(each)  # before it is removed: `snapshot` finds it
                if self._remove(each):
                    waits = each.in_order and any(other.in_order for other in turns)
                    (behind if waits else turns).append(each)
                else:
                    self._taken.discard(each)
            if not turns:
                return
            if turns[0] is transmission:
                turns.rotate(-1)
            transmission = turns[0]
            if not self._sent(transmission, *transmission.next_item()):
                # The link is closed; its end fails all pending calls.
                for each in (*turns, *behind):
                    each.release()
                for every in (turns, behind, self._taken):
                    every.clear()
            elif not transmission.left:
                self._taken.discard(turns.popleft())
                if transmission.in_order and behind:
                    turns.append(behind.popleft())

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
