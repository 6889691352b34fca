"""The outcome of a call, with its warnings: for one caller that waits, and as a future."""

import contextlib
import sys
import threading
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from functools import partial
from itertools import islice
from types import FrameType
from typing import Any

from ..core.clock import monotonic, seconds
from ..core.errors import CallTimeout
from ..core.locks import Lock
from ..core.sync import Event
from ..core.worker import callbacks
from . import tracebacks
from .origin_modules import OURS
from .pickling import decode, rebuilt, rebuilt_warning
from .protocol import exceptions, messages
from .protocol.messages import Payload
from .unhandled import Unhandled

#: A value, or an exception that was raised in the peer.
Outcome = tuple[Any, BaseException | None]
#: Kind and payload of a message that replies to a call.
Reply = tuple[int, Payload]
#: For each file of a peer the dict that Python keeps in a module, to show a warning once.
_registries: dict[str, dict[Any, Any]] = {}


def outcome(
    whom: Callable[[], str], kind: int, payload: Payload, warned: Sequence[Payload] | None
) -> Outcome:
    """Issue the warnings, and return the value or the exception.

    A warning that the test's filters turn into an error becomes the outcome, with an exception of
    the call as its context. `warned` are the warnings of the call, still encoded.
    """
    try:
        error = None if warned is None else _issue(warned, whom())
        if kind == messages.RESULT:
            return (None, error) if error is not None else (decode(payload), None)
        raised = rebuilt(decode(payload), whom())
    except Exception as exc:
        exc.__traceback__ = None
        return None, exc
    if error is None:
        return None, raised
    error.__context__ = raised
    return None, error


def _issue(payloads: Sequence[Payload], peer: str) -> Warning | None:
    """Issue warnings by the test's filters; return the first that these turn into an error."""
    for payload in payloads:
        described = decode(payload, "a warning")
        message = rebuilt_warning(described)
        files = tracebacks.add_sources(described["sources"], peer)
        filename = files.get(described["file"], described["file"])
        if described["of caller"]:
            frame = _caller()
            names = frame.f_globals
            registry = names.setdefault("__warningregistry__", {})
            place = frame.f_code.co_filename, frame.f_lineno, names.get("__name__", "<string>")
        else:
            registry = _registries.setdefault(filename, {})
            place = filename, described["line"], described["module"]
        try:
            warnings.warn_explicit(message, type(message), *place, registry)
        except Warning as exc:
            if exc is not message:
                raise
            if described["final"]:
                # Python ignores what a finalizer raises, so it does not end the call; show it.
                warnings.showwarning(message, type(message), filename, described["line"])
                continue
            message.add_note(f"warned of in {peer}")
            return message.with_traceback(tracebacks.build(described["frames"], files))
    return None


def _caller() -> FrameType:
    """Return the frame of the test that asks for the outcome."""
    frame = sys._getframe(1)
    while (frame.f_globals.get("__name__") or "").partition(".")[0] == OURS and frame.f_back:
        frame = frame.f_back
    return frame


class ReplyWaiter:
    """One caller that waits for one reply; a third of the cost of a future."""

    __slots__ = ("_arrived", "_reply", "settled", "warnings")

    def __init__(self) -> None:
        self._arrived = threading.Lock()
        self._arrived.acquire()
        self._reply: Reply | BaseException | None = None
        #: Whether `wait` returns at once.
        self.settled: bool = False
        #: Warnings of the call, still encoded.
        self.warnings: list[Payload] | None = None

    def deliver(self, reply: Reply | BaseException) -> None:
        """Take the reply, still encoded, or what `wait` raises because none will come."""
        self._reply = reply
        self.settled = True
        with contextlib.suppress(RuntimeError):  # another thread has done it
            self._arrived.release()

    fail = deliver

    def pause(self, timeout: float) -> bool:
        """Wait for the reply; return whether it came in time."""
        return self.settled or self._arrived.acquire(timeout=min(timeout, threading.TIMEOUT_MAX))

    def wait(self, timeout: float) -> Reply:
        """Wait for the reply; raise TimeoutError if it does not come in time."""
        if not self.pause(timeout) and not self.settled:
            raise TimeoutError
        if isinstance(self._reply, BaseException):
            raise self._reply
        assert self._reply is not None
        return self._reply


class _Condition(Lock):  # type: ignore[misc]  # for the type checker only it is final
    """A future's condition, for which no thread waits."""

    def notify_all(self) -> None:
        pass


class PeerFuture(Future[Any]):
    """The outcome of a call.

    The kind of the reply says at once whether the call has failed. The thread that asks for the
    outcome decodes it: unpickling imports modules and runs their code, and the thread that reads
    the link must not wait for that. `make_timeout_error` makes the exception for a limit.
    """

    #: Has its failure until somebody asks.
    unhandled: Unhandled = Unhandled()
    _asked = False

    def __init__(
        self, whom: Callable[[], str], make_timeout_error: Callable[[float], CallTimeout]
    ) -> None:
        # The reply, still encoded, or the exception of a call without one.
        self._stored: Reply | BaseException | None = None
        self._outcome: Outcome | None = None
        super().__init__()
        # An interrupted `result` leaves the condition of `threading` locked, and the reader hangs.
        self._condition = _Condition()  # type: ignore[assignment]
        # Waiting for it holds no lock: a signal handler that interrupts it may wait for the end of
        # the peer, and so for the thread that delivers replies.
        settled = self._settled = Event()
        super().add_done_callback(lambda _: settled.set())  # `self` in it would be a cycle
        #: The id of the call.
        self.ident: int = 0
        #: Warnings of the call, still encoded; the first thread that asks for the outcome issues them.
        self.warnings: list[Payload] | None = None
        self._whom = whom
        self._make_timeout_error = make_timeout_error
        self._decoding = Lock()

    def _store(self, reply: Any) -> None:
        if reply is not None:
            self._stored = reply

    # From Python 3.15 asyncio reads these fields itself.
    _result = property(lambda self: self._decoded()[0], _store)
    _exception = property(lambda self: self._decoded()[1], _store)

    def result(self, timeout: float | None = None) -> Any:
        """Wait for the outcome and return the value or raise the exception.

        :param timeout: seconds, ``None`` for no limit. After a timeout it may be called again.
        :raises CallTimeout: no reply in time; carries the peer's stacks.
        :raises PeerDown: the peer has ended.
        """
        value, exc = self.outcome(timeout)
        if exc is None:
            return value
        try:
            # Only the peer's frames, whichever thread raised this object before.
            raise exc.with_traceback(self._remote_traceback)
        finally:
            del exc  # a cycle through this frame would keep the test's local variables alive

    async def aresult(self, timeout: float | None) -> Any:
        """Do the same on an event loop."""
        self.ask()
        import asyncio  # not at the top: its import takes long

        loop = asyncio.get_running_loop()
        arrived = asyncio.Event()

        def wake(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                loop.call_soon_threadsafe(arrived.set)

        super().add_done_callback(wake)  # it does not wait, so it needs no other thread
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(arrived.wait(), timeout)
        if timeout is not None and not self.done():
            raise await asyncio.to_thread(self._make_timeout_error, timeout)
        return self.result(0)

    def exception(self, timeout: float | None = None) -> BaseException | None:
        """Wait for the outcome and return the exception, if it is one; limits as for `result`."""
        return self.outcome(timeout)[1]

    def wait(self, timeout: float | None) -> bool:
        """Wait for the outcome; return whether it came within `timeout` seconds."""
        self.ask()
        return self._settled.wait(timeout)

    def outcome(self, timeout: float | None, limit: float | None = None) -> Outcome:
        """Wait for the outcome and return it; a `CallTimeout` names `limit`, if that is given."""
        timeout = seconds("timeout", timeout)
        if not self.wait(timeout):
            assert timeout is not None
            raise self._make_timeout_error(timeout if limit is None else limit)
        if self.cancelled():
            raise CancelledError
        return self._decoded()

    def _decoded(self) -> Outcome:
        with self._decoding:
            if self._outcome is None and (stored := self._stored) is not None:
                if isinstance(stored, BaseException):
                    self._outcome = None, stored
                else:
                    self._outcome = outcome(self._whom, *stored, self.warnings)
                exc = self._outcome[1]
                self._remote_traceback = exc.__traceback__ if exc is not None else None
            return self._outcome or (None, None)

    def add_done_callback(self, fn: Callable[[Future[Any]], object]) -> None:
        """Do as ``Future.add_done_callback``, but run a callback that has to wait in a worker."""
        self.ask()
        with self._condition:
            if not self.done():
                super().add_done_callback(lambda future: callbacks.run(lambda: fn(future)))
                return
        super().add_done_callback(fn)

    def ask(self) -> None:
        """Note that somebody sees the failure, if there is or will be one."""
        self._asked = True
        self.unhandled.forget(self)

    def lost(self, failure: Exception | Payload) -> None:
        """Note a failure, as the peer has sent it or as an exception of ours."""
        self.unhandled.add(partial(_text, self._whom, failure), self)
        if self._asked:
            self.unhandled.forget(self)

    def deliver(self, reply: Reply) -> None:
        store: Any = self.set_result
        if reply[0] != messages.RESULT:
            # While peers are stopped, what has run for longer fails because of that.
            if not self.unhandled.closing or decode(reply[1])["brief"]:
                self.lost(reply[1])
            store = self.set_exception
        store(reply)

    def fail(self, error: BaseException) -> None:
        with contextlib.suppress(RuntimeError, InvalidStateError):  # another thread has settled it
            if not self.done() and (self.running() or self.set_running_or_notify_cancel()):
                self.set_exception(error)


def results(
    futures: deque[PeerFuture], later: Iterator[PeerFuture], timeout: float | None
) -> Iterator[Any]:
    """Yield the results in order, as ``Executor.map`` does; the limit is for all together."""
    deadline = None if timeout is None else monotonic() + timeout
    try:
        while futures:  # keeps nothing of a result that it has given
            futures.extend(islice(later, 1))
            left = None if deadline is None else max(0.0, deadline - monotonic())
            yield _first(futures, left, timeout)
    finally:
        for future in futures:
            future.ask()  # a failure before it has been seen, or the rest is not wanted
            future.cancel()


def _text(whom: Callable[[], str], failure: Exception | Payload) -> str:
    if isinstance(failure, Exception):
        text = f"{type(failure).__name__}: {failure}"
    else:
        text = exceptions.unhandled(decode(failure))
    return text and f"{whom()}: exception of a submitted call that nobody asked for:\n{text}"


def _first(futures: deque[PeerFuture], left: float | None, timeout: float | None) -> Any:
    value, exc = futures[0].outcome(left, timeout)
    if exc is not None:
        raise exc
    del futures[0]
    return value
