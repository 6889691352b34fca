"""The future of a call to another peer; its class is made when the first is needed.

`concurrent.futures` imports `logging` and more, which most peers do without.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from ...core.clock import CALL_TIMEOUT, Periods, seconds
from ...core.locks import Lock
from ...core.sync import Event
from ...core.waiting import Waiting
from . import codec, exceptions, messages
from .asking import UNLIMITED, Answer
from .unpatched import _thread

if TYPE_CHECKING:
    from .asking import Asking
    from .messages import Payload
    from .siblings import Sibling

#: Those whose failure nobody has asked for, weakly.
_unasked: Any = set()


def submitted(sibling: Sibling, asking: Asking, head: tuple[Any, ...], payload: Payload) -> Any:
    """Begin a call, and return its future."""
    future = _future_class()(sibling, asking)
    future.set_running_or_notify_cancel()
    pending = asking.begin(head, payload, future.deliver, UNLIMITED)
    if not future.done():
        future.pending = pending
    return future


def report_failures() -> None:
    """Report the failures that nobody has asked for; at the end of a peer."""
    for future in list(_unasked):
        future.report()


@functools.lru_cache(maxsize=None)
def _future_class() -> Any:
    global _unasked
    from concurrent.futures import CancelledError, Future
    from weakref import WeakSet

    _unasked = WeakSet()

    class SiblingFuture(Future):  # type: ignore[type-arg]  # Python 3.8 takes no parameter
        """The outcome of a call to another peer; as that of a call from the test."""

        pending: Any = None

        def __init__(self, sibling: Sibling, asking: Asking) -> None:
            self._stored: Answer | None = None
            self._outcome: tuple[Any, BaseException | None] | None = None
            super().__init__()
            settled = self._settled = Event()
            super().add_done_callback(lambda _: settled.set())
            self._sibling = sibling
            self._asking = asking
            self._asked = self._cancelling = False
            self._decoding = Lock()

        def _store(self, answer: Any) -> None:
            if answer is not None:
                self._stored = answer

        # From Python 3.15 asyncio reads these fields itself.
        _result = property(lambda self: self._decoded()[0], _store)
        _exception = property(lambda self: self._decoded()[1], _store)

        def result(self, timeout: Any = CALL_TIMEOUT) -> Any:
            """Wait for the outcome and return the value or raise the exception.

            :param timeout: seconds; ``None`` for no limit; by default the peer's ``call_timeout``.
            :raises CallTimeout: no answer in time; it may be asked again.
            """
            value, exc = self._settle(timeout)
            if exc is None:
                return value
            try:
                raise exc.with_traceback(self._remote_traceback)
            finally:
                del exc

        def exception(self, timeout: Any = CALL_TIMEOUT) -> BaseException | None:
            """Wait for the outcome and return the exception, if it is one."""
            exc: BaseException | None = self._settle(timeout)[1]
            return exc

        def _settle(self, timeout: Any) -> Any:
            self._ask()
            limit = self._sibling.call_timeout if timeout == CALL_TIMEOUT else timeout
            limit = seconds("timeout", limit)
            held = functools.partial(self._sibling.held, self._asking)
            number = getattr(self.pending, "number", 0)
            with Waiting(self._sibling.word, number):
                in_time = any(map(self._settled.wait, Periods(limit, held)))
            if not in_time:
                assert limit is not None
                raise self._sibling.late(limit, self._asking, number)
            if self.cancelled():
                raise CancelledError from self._decoded()[1]
            return self._decoded()

        def _decoded(self) -> Any:
            with self._decoding:
                if self._outcome is None and self._stored is not None:
                    try:
                        self._outcome = self._sibling.result(self._stored), None
                    except BaseException as exc:
                        self._outcome = None, exc
                        self._remote_traceback = exc.__traceback__
                return self._outcome or (None, None)

        def _ask(self) -> None:
            self._asked = True
            _unasked.discard(self)

        def cancel(self) -> bool:
            """Cancel a coroutine in the peer, which may take its time; ``False`` until then."""
            pending = self.pending
            if not (pending is None or self._cancelling):
                self._cancelling = True
                pending.cancel()
            return self.cancelled()

        def add_done_callback(self, fn: Any) -> None:
            """Do as ``Future.add_done_callback``; one that has to wait gets a thread."""
            self._ask()
            if not self.done():
                start = _thread.start_new_thread
                super().add_done_callback(lambda future: start(fn, (future,)))
            else:
                super().add_done_callback(fn)

        def deliver(self, answer: Answer) -> None:
            """Take the answer, on a thread that must not wait."""
            kind, payload, _ = answer
            self.pending = None  # it has this future, which would be a cycle
            if kind == messages.RESULT:
                self.set_result(answer)
                return
            if kind:
                description = codec.loads(payload)
                if self._cancelling and exceptions.cancelled(description):
                    self._stored, self._state = answer, "PENDING"  # else it cannot be cancelled
                    super().cancel()
                    self.set_running_or_notify_cancel()
                    return
            if not (self._asked or self._cancelling):
                _unasked.add(self)
            failed: Any = self.set_exception
            failed(answer)

        def report(self) -> None:
            """Report the failure that nobody has asked for."""
            if not self._asked and self._stored is not None and self._stored[0]:
                self._asked = True
                text = exceptions.unhandled(codec.loads(self._stored[1]))
                if text:  # a cancellation is none
                    self._asking.report(text)

        def __del__(self) -> None:
            if self._stored is not None and self._stored[0] == messages.EXCEPTION:
                self.report()

    return SiblingFuture
