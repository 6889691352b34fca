"""The answer of a call: for one caller who waits for it, and as a future."""

from __future__ import annotations

import threading
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any

from ..core.clock import monotonic
from ..core.errors import CallTimeout
from ..core.sync import Condition
from ..core.sync import Event
from ..core.timeouts import seconds
from ..core.worker import callbacks
from .protocol.segments import Payload

__tracebackhide__ = True  # a report shows the test and the peer, not what is between

#: A value, or an exception that was raised in the peer.
Outcome = tuple[Any, BaseException | None]
#: Kind and payload of a message that answers a call.
Answer = tuple[int, Payload]


class ReplyWaiter:
    """One caller waiting for one answer; a third of what a future costs, and most calls need no more."""

    __slots__ = ("_answer", "_arrived", "_error", "settled", "warned")

    def __init__(self) -> None:
        self._arrived = threading.Lock()
        self._arrived.acquire()
        self._answer: Answer | None = None
        self._error: BaseException | None = None
        #: Whether `wait` will not wait any more.
        self.settled: bool = False
        #: Warnings of the call, still encoded.
        self.warned: list[Payload] | None = None

    def deliver(self, answer: Answer) -> None:
        """The answer has come, still encoded."""
        self._answer = answer
        self.settled = True
        self.wake()

    def fail(self, error: BaseException) -> None:
        """No answer will come."""
        self._error = error
        self.settled = True
        self.wake()

    def wake(self) -> None:
        """End a `pause`."""
        try:
            self._arrived.release()
        except RuntimeError:
            pass  # somebody else does

    def pause(self, timeout: float | None) -> bool:
        """Wait for the answer or for `wake`; return whether either came in time."""
        return self.settled or self._arrived.acquire(
            timeout=-1 if timeout is None else min(timeout, threading.TIMEOUT_MAX)
        )

    def wait(self, timeout: float | None) -> Answer:
        """Wait for the answer.

        :raises TimeoutError: it did not come in time.
        """
        while not self.settled:
            if not self.pause(timeout) and not self.settled:
                raise TimeoutError
        if self._error is not None:
            raise self._error
        assert self._answer is not None
        return self._answer


class PeerFuture(Future[Any]):
    """The answer of a call.

    It is decoded by whoever asks for it: unpickling imports modules and runs their code, which the thread that reads must never
    wait for.
    """

    def __init__(
        self,
        decode: Callable[[int, Payload, list[Payload] | None], Outcome],
        timed_out: Callable[[float], CallTimeout],
    ) -> None:
        super().__init__()
        self._condition = Condition()  # type: ignore[assignment]  # else an interrupted `result` may hang who answers
        # Who waits here holds no lock: the handler of a signal that interrupts that may wait for the peer's end, and so for who answers.
        self._answered = Event()
        super().add_done_callback(partial(_set, self._answered))
        #: The id of the call.
        self.ident: int = 0
        #: Warnings of the call, still encoded; issued by whoever asks for the answer first.
        self.warned: list[Payload] | None = None
        self._decode = decode
        self._timed_out = timed_out
        self._decoding = threading.RLock()
        self._outcome: Outcome | None = None

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the answer and return the value or raise the exception.

        :param timeout: seconds, ``None`` for no limit. It may be asked again after a timeout.
        :raises CallTimeout: no answer in time; carries the peer's stacks.
        :raises PeerDown: the peer has ended.
        """
        value, exc = self._settled(timeout)
        if exc is None:
            return value
        try:
            # Only the peer's frames, whoever raised this object before; those from here to the test are added now.
            raise exc.with_traceback(self._remote_traceback)
        finally:
            del exc  # a cycle through this frame would keep the test's locals alive

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the answer and return the exception, if it is one; limits as for `result`."""
        return self._settled(timeout)[1]

    def wait(self, timeout: float | None) -> bool:
        """Wait for the answer; return whether it came in time."""
        return self._answered.wait(timeout)

    def outcome(self, timeout: float | None, limit: float | None) -> Outcome:
        """Wait for value or exception; a `CallTimeout` tells `limit`, of which `timeout` is what is left."""
        return self._settled(timeout, limit)

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """As ``Future.add_done_callback``; one that has to wait for the answer is run by a thread of its own."""

        def answered(future: Future[Any]) -> None:
            callbacks.run(lambda: fn(future))

        with self._condition:
            if not self.done():
                super().add_done_callback(answered)
                return
        super().add_done_callback(fn)

    def deliver(self, answer: Answer) -> None:
        """The answer has come, still encoded."""
        self.set_result(answer)

    def fail(self, error: BaseException) -> None:
        """No answer will come."""
        if self.running() or self.set_running_or_notify_cancel():
            self.set_exception(error)

    def _settled(self, timeout: float | None, told: float | None = None) -> Outcome:
        limit = seconds("timeout", timeout)
        if self._outcome is None:
            if not self._answered.wait(limit):
                assert limit is not None
                raise self._timed_out(limit if told is None else told)
            failed = super().exception(0)
            with self._decoding:
                if self._outcome is None:
                    if failed is not None:
                        self._outcome = None, failed
                    else:
                        kind, payload = super().result(0)
                        self._outcome = self._decode(kind, payload, self.warned)
                    exc = self._outcome[1]
                    self._remote_traceback = exc.__traceback__ if exc is not None else None
        return self._outcome


def _set(event: Event, _: object) -> None:
    event.set()


def results(futures: Sequence[PeerFuture], timeout: float | None) -> Iterator[Any]:
    """The results in order, as ``Executor.map`` gives them; `timeout` is for all of them together."""
    deadline = None if timeout is None else monotonic() + timeout
    try:
        for future in futures:
            left = None if deadline is None else max(0.0, deadline - monotonic())
            value, exc = future.outcome(left, timeout)
            if exc is not None:
                raise exc
            yield value
    finally:
        for future in futures:
            future.cancel()
