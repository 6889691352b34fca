"""Requests of this peer, and of what it has started, to the origin: siblings, barriers, marks.

The thread that reads the link takes the answers; it decodes nothing.
"""

import sys
from functools import partial
from typing import Any

from ..core.clock import Periods
from ..core.waiting import Waiting
from ..link.protocol import asking, children, messages
from ..link.protocol.sender import WouldWait
from ..link.protocol.unpatched import _thread, os, queue, select, threading
from . import failures

_FINALIZER = "a finalizer asks for %s on the thread that would send that or read the answer"


class Exchange(asking.Asking):
    """Has the requests without an answer; for a `Runtime`."""

    def __init__(self, runtime):
        self._runtime = runtime
        self._pending = {}

    def begin(self, head, payload, done, limit):
        pending = self._send(head, payload, done, limit)
        self._leave(pending)
        return pending

    def ask(self, head, payload=b"", limit=asking.UNLIMITED):
        answers: Any = queue.SimpleQueue()
        pending = self._send(head, payload, answers.put, limit)
        try:
            with Waiting(limit[2], pending.number):
                answer = self._runtime.reader.answer(pending.number)
        except BaseException:
            pending.cancel()
            raise
        if answer is not None:
            self._pending.pop(pending.number, None)
            return (*answer, ())
        self._leave(pending)
        return self.wait(pending, answers, limit)

    def _send(self, head, payload, done, limit):
        runtime = self._runtime
        if runtime.reader.stands_by_here():
            raise RuntimeError(_FINALIZER % head[0])
        ident = next(runtime.ids)
        pending = self._pending[ident] = _Pending(self, ident, done, limit)
        try:
            message = messages.snapshot(messages.with_head(head, payload))
            runtime.enqueue(messages.RELAY, ident, message, awaited=True)
        except BaseException as exc:
            self._pending.pop(ident, None)
            if isinstance(exc, WouldWait):
                raise RuntimeError(_FINALIZER % head[0]) from None
            raise
        return pending

    def _leave(self, pending):
        """Have another thread read the answer."""
        pending.on_main = threading.get_ident() == threading.main_thread().ident
        if pending.on_main and not self._runtime.reader.hand_over():
            self._pending.pop(pending.number, None)
            raise RuntimeError("there is no thread that could read the answer")

    def tell(self, kind, payload, ident=None):
        """Send what has no answer of its own."""
        try:
            self._runtime.enqueue(kind, ident or next(self._runtime.ids), payload)
        except OSError:
            pass  # the link is gone, and this process with it

    def received(self, kind, ident, payload):
        """Take an answer, or a warning before it; on the thread that reads the link."""
        pending = self._pending.get(ident)
        if pending is None:
            return  # an interrupt came before
        if kind == messages.WARNING:
            pending.warnings.append(payload)
            return
        self._pending.pop(ident, None)  # the main thread may have it too
        pending.done((kind, payload, pending.warnings))
        if pending.on_main:
            self._runtime.reader.answered()

    def report_all(self):
        """Report what nobody has asked for."""
        module: Any = sys.modules.get("pytest_peer_agent.link.protocol.sibling_futures")
        if module is not None:  # else there was no such call
            module.report_failures()

    def report(self, text):
        if not failures.ending:
            failures.report("of a submitted call that nobody asked for", text)
        sys.stderr.write(text)

    def held(self, key):
        """Return whether a debugger holds the peer with that key, or any; see `Periods`."""
        _, payload, _ = self.ask(("held", key))
        return bool(payload)

    def serve(self, sock, request):
        """Ask for a process that has connected; it gives its request up by hanging up."""
        limit, request = messages.split_head(request)
        head, payload = messages.split_head(request)
        head = ("of child", children.other_end(sock), *head)
        closed = select.poll()
        closed.register(sock.fileno(), 0)  # it always tells that the other end is closed
        bell = _Bell()
        try:
            pending = self.begin(head, payload, bell.ring, limit)
            closed.register(bell.fd, select.POLLIN)
            with Waiting(limit[2], pending.number, head[1]):
                for period in pending.periods():
                    if closed.poll(None if period is None else period * 1000):
                        break
                else:
                    pending.late()
                    closed.poll()
        finally:
            answers = bell.close()
        if not answers:
            pending.cancel()
            return
        ((kind, payload, warnings),) = answers
        for each in warnings:
            children.send(sock, messages.WARNING, each)
        children.send(sock, kind, payload)


class _Bell:
    """A descriptor that becomes readable with the answer."""

    def __init__(self):
        self.fd, self._wake = os.pipe()
        self._lock = _thread.allocate_lock()
        self._open = True
        self._answers = []

    def ring(self, answer):
        with self._lock:
            self._answers.append(answer)
            if self._open:
                os.write(self._wake, b"!")

    def close(self):
        """Return the answer, in a list, or an empty one."""
        with self._lock:
            self._open = False
            os.close(self.fd)
            os.close(self._wake)
            return self._answers


class _Pending:
    def __init__(self, exchange, number, done, limit):
        self._exchange = exchange
        self.number = number
        self.done = done
        #: Whether it was begun on the main thread.
        self.on_main = False
        self._limit, self._key, _ = limit
        self.warnings = []

    def periods(self):
        return Periods(self._limit, partial(self._exchange.held, self._key))

    def late(self):
        self._exchange.tell(messages.RELAY, messages.with_head(("late", self.number, self._limit)))

    def cancel(self):
        self._exchange.tell(messages.CANCEL, b"", self.number)
