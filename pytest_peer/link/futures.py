"""The outcome of a call, with its warnings; and as a future."""

import contextlib
import sys
import threading
import warnings
from collections.abc import Callable, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from functools import partial
from types import FrameType
from typing import TYPE_CHECKING, Any, Literal

from ..core.clock import CALL_TIMEOUT, Periods, seconds
from ..core.errors import CallTimeout
from ..core.locks import Lock
from ..core.loop import loop
from ..core.sync import Event
from ..core.waiting import trio_of_task
from ..core.worker import callbacks
from .origin_modules import OURS
from .pickling import decode, rebuilt, rebuilt_warning
from .protocol import exceptions, messages, tracebacks
from .protocol.messages import Payload
from .soft_assertions import collected, take
from .unhandled import Unhandled

if TYPE_CHECKING:
    from ..peers.choreography.blocked import Blocked

#: A value, or an exception that was raised in the peer.
Outcome = tuple[Any, BaseException | None]
#: Kind and payload of a message that replies to a call.
Reply = tuple[int, Payload]
Limit = float | Literal["call_timeout"] | None
#: What may stand between us and the code of the user that called.
_BETWEEN = frozenset({OURS, "contextlib"})
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
        if collected and threading.current_thread() is threading.main_thread():
            take()
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
        try:
            if described["of caller"]:
                warnings.warn(message, stacklevel=users_level())
            else:
                module = described["module"] or filename.removesuffix(".py")  # `None` hides it
                place = filename, described["line"], module
                registry = _registries.setdefault(filename, {})
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


def users_level() -> int:
    """Return the ``stacklevel`` of the user's line for a warning that the caller of this issues."""
    level = 0
    frame: FrameType | None = sys._getframe()
    while frame is not None and str(frame.f_globals.get("__name__")).partition(".")[0] in _BETWEEN:
        level, frame = level + 1, frame.f_back
    return level


class _Condition(Lock):  # type: ignore[misc]  # for the type checker only it is final
    """A future's condition, for which no thread waits."""

    def notify_all(self) -> None:
        pass


class PeerFuture(Future[Any]):
    """The outcome of a call.

    The kind of the reply says at once whether the call has failed. The thread that asks for the
    outcome decodes it: unpickling imports modules and runs their code, and the thread that reads
    the link must not wait for that. `make_timeout_error` makes the exception for a limit; it does
    not pass while `held`.
    """

    #: Has its failure until somebody asks.
    unhandled: Unhandled = Unhandled()
    #: The limit of `result` without one.
    call_timeout: float | None = None
    #: Lets the peer cancel its coroutine.
    cancel_in_peer: Callable[[], object]
    #: Waits, with a limit, until the call does. It keeps no future: who lets go of one is warned.
    until_blocked: Callable[["PeerFuture", float | None], "Blocked"]
    _asked = _cancelling = _left = False
    #: Whether nobody can ask any more.
    abandoned: bool = False

    def __init__(
        self,
        whom: Callable[[], str],
        make_timeout_error: Callable[[float], CallTimeout],
        held: Callable[[], bool],
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
        self._held = held
        self._decoding = Lock()

    def _store(self, reply: Any) -> None:
        if reply is not None:
            self._stored = reply

    # From Python 3.15 asyncio reads these fields itself.
    _result = property(lambda self: self._decoded()[0], _store)
    _exception = property(lambda self: self._decoded()[1], _store)

    def result(self, timeout: Limit = CALL_TIMEOUT) -> Any:
        """Wait for the outcome and return the value or raise the exception.

        :param timeout: seconds, ``None`` for no limit; by default the peer's option
            ``call_timeout``, from now on. After a timeout it may be called again.
        :raises CallTimeout: no reply in time; carries the peer's stacks.
        :raises PeerDown: the peer has ended.
        """
        value, exc = self.outcome(self.call_timeout if timeout == CALL_TIMEOUT else timeout)
        if exc is None:
            return value
        try:
            # Only the peer's frames, whichever thread raised this object before.
            raise exc.with_traceback(self._remote_traceback)
        finally:
            del exc  # a cycle through this frame would keep the test's local variables alive

    async def aresult(self, timeout: float | None) -> Any:
        """Do the same in a task of asyncio or trio. One that is cancelled has not asked."""
        import asyncio  # not at the top: its import takes long

        soon: Callable[[Callable[[], object]], object]
        if trio := trio_of_task():
            event, in_thread = trio.Event, trio.to_thread.run_sync
            soon = trio.lowlevel.current_trio_token().run_sync_soon
        else:
            event, in_thread = asyncio.Event, asyncio.to_thread
            soon = asyncio.get_running_loop().call_soon_threadsafe

        arrived: Any = event()

        def wake(_: object) -> None:
            with contextlib.suppress(RuntimeError):  # the loop is closed
                soon(arrived.set)

        super().add_done_callback(wake)  # it does not wait, so it needs no other thread
        limits = Periods(timeout, self._held)
        limit = next(limits)
        while True:
            if trio:
                # Not by trio's clock, which jumps in tests while all of its tasks wait.
                timers = [] if limit is None else [loop.call_later(limit, partial(wake, None))]
                try:
                    await arrived.wait()
                finally:
                    loop.cancel(*timers)
            else:
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(arrived.wait(), limit)
            if self.done():
                return self.result(0)
            arrived = event()
            limit = await in_thread(next, limits, 0)
            if limit == 0:
                raise await in_thread(self._make_timeout_error, timeout)

    def exception(self, timeout: Limit = CALL_TIMEOUT) -> BaseException | None:
        """Wait for the outcome and return the exception, if it is one; limits as for `result`."""
        return self.outcome(self.call_timeout if timeout == CALL_TIMEOUT else timeout)[1]

    def wait_blocked(self, timeout: float | None = 5.0) -> "Blocked":
        """Wait until the call waits for something itself, by the word of the kernel.

        :param timeout: seconds, 5 by default; ``None`` for no limit.
        :returns: what it waits for, and the peer that has that.
        :raises NotBlocked: the call has ended, or runs; with its value, or the peer's stacks.
        """
        return self.until_blocked(self, seconds("timeout", timeout))

    def cancel(self) -> bool:
        """Cancel a call that was not sent; or a coroutine in the peer, which may take its time.

        :returns: Whether it is cancelled now. `cancelled` says so when a coroutine has ended.
        """
        if super().cancel():
            return True
        if not (self.done() or self._cancelling):  # a second one would end a clean-up
            self._cancelling = True
            # Who has asked is perhaps who cancels: then nobody sees how it ends.
            self._left, self._asked = self._asked, False
            self.cancel_in_peer()
        return False

    def wait(self, timeout: float | None) -> bool:
        """Wait for the outcome; return whether it came within `timeout` seconds."""
        self.ask()
        return any(map(self._settled.wait, Periods(timeout, self._held)))

    def outcome(self, timeout: float | None, limit: float | None = None) -> Outcome:
        """Wait for the outcome and return it; a `CallTimeout` names `limit`, if that is given."""
        timeout = seconds("timeout", timeout)
        if not self.wait(timeout):
            assert timeout is not None
            raise self._make_timeout_error(timeout if limit is None else limit)
        if self._cancelling:
            self.ask()  # again
        if self.cancelled():
            raise CancelledError from self._decoded()[1]  # where the coroutine was
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
        settle: Any = self.set_result
        if reply[0] != messages.RESULT:
            settle = self.set_exception
            if self._cancelling and exceptions.cancelled(decode(reply[1])):
                settle = self._end_cancelled
            elif self._is_failure(decode(reply[1])):
                self.lost(reply[1])
        settle(reply)

    def _is_failure(self, description: dict[str, Any]) -> bool:
        # While peers are stopped, what has run for longer fails because of that.
        brief = description["brief"] and not exceptions.of_an_end(description)
        in_time: bool = not self.unhandled.closing or brief
        # A function that goes on is late; a coroutine has failed in its clean-up.
        late = (self._left or self.abandoned) and not description["coroutine"]
        return in_time and not late

    def _end_cancelled(self, reply: Reply) -> None:
        self._stored, self._state = reply, "PENDING"  # else it could not be cancelled
        super().cancel()
        self.set_running_or_notify_cancel()

    def fail(self, error: BaseException) -> None:
        with contextlib.suppress(RuntimeError, InvalidStateError):  # another thread has settled it
            if not self.done() and (self.running() or self.set_running_or_notify_cancel()):
                self.set_exception(error)


def _text(whom: Callable[[], str], failure: Exception | Payload) -> str:
    if isinstance(failure, Exception):
        text = f"{type(failure).__name__}: {failure}"
    else:
        text = exceptions.unhandled(decode(failure))
    return text and f"{whom()}: exception of a submitted call that nobody asked for:\n{text}"
