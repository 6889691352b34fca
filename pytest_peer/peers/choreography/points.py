"""Points in functions of a peer: where a call is held, or fails. Each is a block of the test.

The code that is there meanwhile is in `agent.points`. What happens there it tells by messages, which
the thread that reads the link hands to a `Watch`: one for each life of the peer.
"""

from __future__ import annotations

import contextlib
import marshal
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Self

from ...core import errors
from ...core.clock import Periods, seconds
from ...core.errors import PeerDown, PeerError, PointNotFound, PointNotReached
from ...core.locks import Lock
from ...launch import bootstrap
from ...link.futures import Reply
from ...link.reader import ReplyWaiter
from .point_options import Target, check, check_failure, described, named

if TYPE_CHECKING:
    from ..lifecycle import PeerLife
    from ..restart import Lives

_IN_PEER = "pytest_peer_agent.agent.points"
#: Seconds for the end of a block in a peer, for which it needs less than a millisecond.
_END_SECONDS = 10.0


class Watch(ReplyWaiter):
    """What has happened at a point in one life; neither sends nor waits."""

    __slots__ = ("broken", "call", "down", "heard", "ident", "let_go", "life", "number")

    def __init__(self, life: PeerLife, heard: Callable[[], object]) -> None:
        super().__init__()
        self.life: PeerLife = life
        self.ident: int = life.client.number()
        self.heard: Callable[[], object] = heard
        #: The number there and the text of the last call that has come to it; 0 for none.
        self.number: int = 0
        self.call: str = ""
        #: Whether that goes on, or may.
        self.let_go: bool = False
        self.broken: bool = False  # its `when` has raised something
        self.down: BaseException | None = None

    def deliver(self, reply: Reply | BaseException) -> None:
        if isinstance(reply, BaseException):
            self.down = reply
        else:
            assert isinstance(reply[1], bytes)
            what, number, call = marshal.loads(reply[1])
            if what == "reached":
                self.number, self.call, self.let_go = number, call, False
            elif what == "left":
                self.let_go = True
            else:
                self.broken = True
            try:
                self.life.client.expect(self.ident, self)  # the next
            except PeerDown as exc:
                self.down = exc
        self.heard()

    fail = deliver


class Point:
    """A point in a function of a peer while its block lasts; made by `Peer.fail_at`."""

    _what = "fail"

    def __init__(
        self,
        lives: Lives,
        target: Target,
        *,
        at: str = "entry",
        when: Callable[..., object] | None = None,
        nth: int = 1,
        times: int = 1,
        required: bool = True,
        failure: object = None,
    ) -> None:
        """:private: made by a peer."""
        check(at, when, nth, times, required)
        self._lives = lives
        #: Its name, as ``module:function``.
        self.target: str
        self._sent, self.target = named(target)
        self._at, self._when, self._nth, self._times = at, when, nth, times
        self._required = required
        self._failure = failure
        self._watch: Watch | None = None
        self._setting = Lock()
        #: Woken with all that waits for these peers: what ends one of these waits may end this one.
        self._news = lives.owner.mail
        #: Whether a call has come to it, in whichever life of the peer.
        self._reached = False
        #: Called on the thread that reads the link when something has happened here.
        self._follow: Callable[[], object] | None = None

    @property
    def call(self) -> str:
        """The last call that came to it, with the reprs of its arguments; empty before."""
        return self._watch.call if self._watch else ""

    @property
    def name(self) -> str:
        """The point in words, as in errors."""
        return f"the {self._at} of {self.target} in peer {self._lives.peer.name!r}"

    @property
    def death(self) -> str:
        """:private: how the peer has ended, in words; empty if it lives."""
        down = self._watch.down if self._watch else None
        return str(down.args[0]) if down is not None else ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} at {self.name}>"

    def wait(self, timeout: float | None = 5.0) -> str:
        """Wait until a call has come to the point in the present life of the peer.

        :param timeout: Seconds, ``None`` for no limit.
        :returns: `call`.
        :raises PointNotReached: None came in time; an `AssertionError` and a `TimeoutError`.
        :raises PeerDown: The peer has ended.
        :raises ServiceEnded: A function that `Peer.running` runs has returned. What such a function
            has raised is raised here.
        """
        limit = seconds("timeout", timeout)
        life = self._of_block().life
        failure: BaseException | None = None

        def settled() -> bool:
            nonlocal failure
            failure = self._lives.owner.services.failure()
            return failure is not None or self._settled()

        periods = Periods(limit, lambda: self._of_block().life.held())
        if not any(map(partial(self._news.wait_for, settled), periods)):
            stacks = life.owner.with_deadlock(life.stacks.record("a point was not reached"))
            raise PointNotReached(f"no call came to {self.name} within {limit:g} s", stacks)
        watch = self._of_block()
        if watch.number:
            return watch.call
        if failure is not None:
            raise failure
        if watch.down is not None:
            raise watch.down.with_traceback(None)
        watch.broken = False
        self._ask(watch, "why_broken")
        return self.wait(timeout)  # another thread has raised it

    def __enter__(self) -> Self:
        if self in self._lives.points:
            raise RuntimeError(f"{self.name}: its block has begun already")
        self._lives.points.append(self)
        try:
            self.set_in(self._lives.present)
        except BaseException:
            self._lives.points.remove(self)
            raise
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        with self._setting:  # a restart on another thread may just be setting it
            self._lives.points.remove(self)
        try:
            counted = self._remove(self._of_block())
        except PeerDown:
            counted = None
        except Exception:  # what `when` has raised, or a peer that does not answer
            if kind is None:
                raise
            return
        if counted is not None and counted[2] >= self._nth:
            self._reached = True  # the peer's word of it may still be on its way
        if kind is None and self._required and not self._reached:
            raise PointNotReached(f"no call came to {self.name}: {self._why(counted)}")

    def set_in(self, life: PeerLife, *, in_boot: bool = False) -> None:
        """:private: set it in a life of the peer that has begun, once."""
        limit = None if in_boot else life.options.call_timeout
        if not in_boot:
            life.wait_boot(limit)  # which sets it, too
        with self._setting:
            set_here = self._watch is not None and self._watch.life is life
            if set_here or self not in self._lives.points:  # its block has just ended
                return
            interpreter = life.process.interpreter
            assert interpreter is not None
            failure = described(self._failure, interpreter.by_value)
            life.client.agent.provide(partial(bootstrap.points, interpreter.compiled), "points")
            watch = Watch(life, self._heard)
            life.client.expect(watch.ident, watch)
            before, self._watch = self._watch, watch
            which = self._at, self._nth, self._times, self._when
            what = (watch.ident, self._sent, self.target, self._what, *which, failure)
            try:
                refused = life.client.call(f"{_IN_PEER}:set_point", what, {}, limit, in_boot)
                if refused is not None:
                    error: type[PeerError] = getattr(errors, refused[0])
                    raise error(refused[1])
            except BaseException as exc:
                self._watch = before
                life.client.pending.pop(watch.ident, None)
                if not isinstance(exc, (PeerDown, PointNotFound)):  # perhaps it will be set
                    with contextlib.suppress(Exception):
                        life.client.cast(f"{_IN_PEER}:discard", (watch.ident,), {})
                raise

    def _remove(self, watch: Watch) -> Any:
        """Take it away in the peer, and return how many calls there were, if that is known."""
        try:
            if watch.life.process.paused:  # it does so when it goes on
                return watch.life.client.cast(f"{_IN_PEER}:discard", (watch.ident,), {})
            return self._ask(watch, "remove")
        finally:
            watch.life.client.pending.pop(watch.ident, None)

    def _ask(self, watch: Watch, what: str) -> Any:
        call, limit = watch.life.client.call, watch.life.options.call_timeout
        limit = _END_SECONDS if limit is None else min(limit, _END_SECONDS)
        return call(f"{_IN_PEER}:{what}", (watch.ident,), {}, limit)

    def _of_block(self) -> Watch:
        if self._watch is None:
            raise RuntimeError(f"{self.name}: its block has not begun")
        return self._watch

    def _settled(self) -> bool:
        watch = self._of_block()
        return bool(watch.number or watch.broken or watch.down)

    def _heard(self) -> None:
        if self._watch is not None and self._watch.number:
            self._reached = True
        self._news.wake()
        if self._follow is not None:
            self._follow()

    def _why(self, counted: tuple[int, int, int] | None) -> str:
        if counted is None:
            paused = self._of_block().life.process.paused
            return self.death or f"the peer is {'paused' if paused else 'down'}"
        calls, refused, passed = counted
        text = f"of {calls} calls, `when` refused {refused}" if self._when else f"{calls} calls"
        return f"{text}, {passed} came there, nth is {self._nth}"


class HoldPoint(Point):
    """A point that holds the nth call while its block lasts; made by `Peer.hold_at`."""

    _what = "hold"

    def release(self) -> None:
        """Let the call that is held go on; nothing happens if it does already.

        :raises RuntimeError: No call has been held.
        :raises PeerDown: The peer has ended.
        """
        watch = self._holding()
        if not watch.let_go:
            watch.let_go = True
            watch.life.client.agent.let_go(watch.ident, watch.number, None)

    def fail(self, exc: BaseException | type[BaseException]) -> None:
        """Have the call that is held raise `exc`, instead of what it would do there.

        :raises RuntimeError: No call has been held, or it goes on already.
        :raises PeerDown: The peer has ended.
        :raises EncodeError: The exception cannot be sent.
        """
        check_failure(exc)
        watch = self._holding()
        if watch.let_go:
            raise RuntimeError(f"the call that was held at {self.name} goes on already")
        interpreter = watch.life.process.interpreter
        assert interpreter is not None
        failure = described(exc, interpreter.by_value)
        watch.let_go = True
        watch.life.client.agent.let_go(watch.ident, watch.number, failure)

    @property
    def holds(self) -> bool:
        """Whether a call is held now."""
        watch = self._watch
        return watch is not None and bool(watch.number and not (watch.let_go or watch.down))

    def report_only(self) -> None:
        """:private: let all calls through; for `Order`."""
        self._what = "pass"

    def follow(self, follow: Callable[[], object]) -> None:
        """:private: call that when something has happened; it neither sends nor waits."""
        self._follow = follow

    @property
    def reached(self) -> bool:
        """Whether a call has come to it, in whichever life of the peer."""
        return self._reached

    def _holding(self) -> Watch:
        watch = self._of_block()
        if not watch.number:
            raise RuntimeError(f"no call is held at {self.name}: wait for one")
        if watch.down is not None:
            raise watch.down.with_traceback(None)
        return watch


class FailPoint(Point):
    """A point that makes calls fail while its block lasts; made by `Peer.fail_at`."""

    def __init__(self, lives: Lives, target: Target, failure: object, **options: Any) -> None:
        """:private: made by a peer."""
        check_failure(failure)
        super().__init__(lives, target, failure=failure, **options)
