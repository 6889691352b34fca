"""A function that must not end before its block: `Peer.running`."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from typing import TYPE_CHECKING, Any

from ...core.clock import Periods, monotonic
from ...core.errors import PeerDown, PeerError, ServiceEnded
from ...core.services import everywhere
from ...core.sync import Event
from ...evidence import search
from ..group_failures import is_no_failure
from ..transitions import Phase

if TYPE_CHECKING:
    from ...link.pickling import Function
    from ..lifecycle import PeerLife

#: Seconds that a cancelled coroutine has to end, before the block is left without it.
CANCELLED = 5.0
#: Seconds between the end of a peer's output and that of its calls; milliseconds mostly.
_CALLS_END = 5.0
_RUNS_COROUTINE = "pytest_peer_agent.agent.runtime:runtime.runs_coroutine"


class Service:
    """A function that runs in a peer as long as the block of `Peer.running`.

    It begins with the block: `wait_for` and `expect` pass over what the peer wrote before.
    """

    def __init__(self, life: PeerLife, fn: Function) -> None:
        """:private: made by `Peer.running`."""
        self._life = life
        self._fn = fn
        self._begins = {each: each.size for each in life.process.streams.outputs}
        self._ended = Event()
        self._failure: BaseException | None = None
        self._left = False

    def wait_for(
        self, pattern: str | re.Pattern[str], timeout: float | None = 5.0
    ) -> re.Match[str]:
        """Wait until `pattern` is found in what the peer writes to stdout or stderr in the block.

        :param timeout: Seconds, 5 by default; ``None`` for no limit.
        :raises TimeoutError: It did not come in time; shows the last output.
        :raises ServiceEnded: The function has returned. What it has raised is raised as itself.
        """
        return search.wait_for(pattern, timeout, self._begins, self._life.held).match

    def expect(self, pattern: str | re.Pattern[str], timeout: float | None = 5.0) -> re.Match[str]:
        """Do so behind the last match, in each stream: of this, and of its own `expect`.

        :param timeout: Seconds, 5 by default; ``None`` for no limit.
        :raises TimeoutError: As `wait_for`.
        :raises ServiceEnded: As `wait_for`.
        """
        begins = {each: max(begin, each.expected) for each, begin in self._begins.items()}
        found = search.wait_for(pattern, timeout, begins, self._life.held)
        found.stream.expected = found.end
        return found.match

    def __repr__(self) -> str:
        state = "ended" if self._ended.is_set() else "running"
        return f"<Service {named(self._fn)} in {self._life.options.name}: {state}>"

    def failure(self) -> BaseException | None:
        """:private: Return why waits must end; ``None`` while the function runs as it should."""
        if not self._ended.is_set() and self._life.phase >= Phase.CONCLUDING:
            self._ended.wait(_CALLS_END)
        if self._left or not self._ended.is_set():
            return None
        if self._failure is None:
            value, exc = self._future.outcome(0)
            if isinstance(exc, PeerDown) and self._was_asked_for(exc):
                return None
            if exc is None:
                exc = ServiceEnded(self._fn, value)
                exc.add_note(f"in {self._life.record.whom()}")
            self._failure, self._traceback = exc, exc.__traceback__
        # Without the frames of the waits that have raised it before.
        return self._failure.with_traceback(self._traceback)

    def _was_asked_for(self, down: PeerDown) -> bool:
        record = self._life.record
        if down.reason is not getattr(record, "reason", None) or record.boot_error is not None:
            return False
        return not self._life.died_unasked

    def begin(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """:private: Call the function."""
        client = self._life.client
        self._future = client.submit(self._fn, args, kwargs)
        # Not the method of the subclass: nobody has asked, and this does not wait.
        Future.add_done_callback(self._future, self._end)

    def _end(self, _: object) -> None:
        self._ended.set()
        for each in self._begins:
            each.changed.wake()
        self._life.owner.mail.wake()

    def leave(self) -> BaseException | None:
        """:private: End a coroutine; return its failure, or that of a function that has ended."""
        failure = self.failure()
        self._left = True
        if failure is None and not self._ended.is_set():
            failure = self._cancel()
        return failure

    def _cancel(self) -> BaseException | None:
        life, until = self._life, monotonic() + CANCELLED
        self._future.cancel()
        if life.process.paused or not self._is_coroutine():
            return None  # a function cannot be ended but with its peer
        left = max(0.0, until - monotonic())
        if not any(map(self._ended.wait, Periods(left, life.held))):
            text = f"{life.record.whom()}: {named(self._fn)} was cancelled at the end of its block"
            text += f" and goes on after {CANCELLED:g} s\n"
            text += life.stacks.record("a coroutine goes on after its cancellation")
            life.client.unhandled.add(lambda: text)
            return None
        with contextlib.suppress(CancelledError):
            exc = self._future.exception(0)
            # It has perhaps died meanwhile: that is another failure's business.
            return None if isinstance(exc, PeerDown) else exc
        return None

    def _is_coroutine(self) -> bool:
        if inspect.iscoroutinefunction(self._fn):
            return True
        try:
            # A name, or a callable of another kind that returns a coroutine.
            asked = self._life.client.submit(_RUNS_COROUTINE, (self._future.ident,), {})
            return asked.wait(CANCELLED) and asked.outcome(0)[0] is True
        except PeerError:
            return False


@contextlib.contextmanager
def running(
    life: PeerLife, fn: Function, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Iterator[Service]:
    """Run `fn` in that life while the block does; see `Peer.running`."""
    service = Service(life, fn)
    dependent = (everywhere, life.owner.services, life.process.streams.stdout.services)
    raised: BaseException | None = None
    service.begin(args, kwargs)
    try:
        for services in dependent:
            services.add(service.failure)
        yield service
    except BaseException as exc:
        raised = exc
        raise
    finally:
        try:
            for services in dependent:
                services.discard(service.failure)
            failure = service.leave()
            if failure is not None and (raised is None or is_no_failure(raised)):
                raise failure
            if failure is not None and raised is not None and not _tells(raised, failure):
                _add(raised, failure, service)
        finally:
            del raised  # a cycle through this frame would keep the test's local variables alive


def _tells(raised: BaseException | None, failure: BaseException) -> bool:
    """Return whether who sees `raised` sees that failure."""
    if raised is None or raised is failure:
        return raised is failure
    members = raised.exceptions if isinstance(raised, BaseExceptionGroup) else ()
    shown = raised.__cause__ or raised.__context__
    return any(_tells(each, failure) for each in (*members, shown))


def _add(raised: BaseException, failure: BaseException, service: Service) -> None:
    """Show with an exception of the block what may be its cause."""
    first = next(iter(str(failure).splitlines()), "")
    text = f"{type(failure).__name__}: {first}".removesuffix(": ")
    raised.add_note(f"{service!r} had ended before: {text}")
    if raised.__cause__ is None and raised.__context__ is None:
        raised.__context__ = failure


def named(fn: Function) -> str:
    """Return a function's name, as errors show it."""
    return fn if isinstance(fn, str) else getattr(fn, "__qualname__", None) or repr(fn)
