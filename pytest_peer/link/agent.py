"""What the origin asks of a peer's agent itself, beside calls: stacks, coverage, debuggers, the end.

None of it waits for the boot. Where nothing is returned, nothing happens if the peer is down; but
`provide` and `let_go` raise PeerDown then.
"""

import contextlib
import marshal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.errors import PeerDown
from .protocol import messages
from .reader import ReplyWaiter

if TYPE_CHECKING:
    from .calls import RpcClient

#: Where the last is that was sent behind another one, or a cast: a number that none has.
_BEHIND = 0


class OwnWait(NamedTuple):
    """A thread of a peer, or a task of a call, that waits in a way of ours."""

    #: Its number in the kernel; for a task, that of the call, negative.
    thread: int
    #: For what, as in ``Blocked.on``; ``agent`` for a thread of the agent's own.
    word: str
    #: Whose answer it waits for; 0 for none.
    request: int
    #: The process for which it waits, which the peer has started; 0 for itself.
    process: int


class OwnWaits(NamedTuple):
    """All of a peer, and on which thread each call runs; numbers as above."""

    every: list[OwnWait]
    runs: dict[int, int]


class Agent:
    """The agent at the other end of the link of `client`."""

    def __init__(self, client: "RpcClient") -> None:
        self._client = client
        #: Whether the peer measures coverage, and in which context it is to do so.
        self.measures: bool = False
        self.context: Callable[[], str] = str
        self._context = ""
        self._provided: set[str] = set()
        # Calls without a reply, by their numbers, and the last one behind them.
        self._sent: dict[int, int] = {}

    def sends(self, kind: int, ident: int) -> None:
        """Note that a call or a cast is being sent."""
        if kind == messages.CAST or self._sent:  # a call that comes alone is begun at once
            self._sent[_BEHIND] = ident
        if kind == messages.CALL:
            self._sent[ident] = ident

    def replied(self, ident: int) -> None:
        """Note that a call has a reply."""
        self._sent.pop(ident, None)

    @property
    def may_lag(self) -> bool:
        """Whether there may be calls at the agent that no thread has begun."""
        return _BEHIND in self._sent

    def has_begun(self, seconds: float) -> bool:
        """Return whether all calls have begun that were sent so far; raises as `stacks`."""
        last = self._sent.get(_BEHIND)
        (_, begun), _ = self._client.ask(messages.STACKS, b"begun", seconds)
        if begun and self._sent.get(_BEHIND) == last:
            self._sent.pop(_BEHIND, None)
        return bool(begun)

    def stacks(self, seconds: float) -> str:
        """Return all threads' stacks; raise TimeoutError after so many seconds, or in the boot."""
        (_, text), _ = self._client.ask(messages.STACKS, b"", seconds)
        assert isinstance(text, bytes)
        return text.decode("utf-8", "backslashreplace")

    def waits(
        self, call: int, limit: float, seconds: float
    ) -> tuple[str, str, int, str, list[Any], int]:
        """Return what `agent.blocked` finds out of a call within `limit`; raises as `stacks`."""
        asked = b"call %d %r" % (call, limit)
        (_, found), _ = self._client.ask(messages.STACKS, asked, seconds)
        assert isinstance(found, bytes)
        how, on, thread, syscall, stack, request = marshal.loads(found)
        return how, on, thread, syscall, stack, request

    def own_waits(self, seconds: float) -> OwnWaits:
        """Return what waits there in ways of ours, and where calls run; raises as `stacks`."""
        (_, found), _ = self._client.ask(messages.STACKS, b"own", seconds)
        assert isinstance(found, bytes)
        every, runs = marshal.loads(found)
        return OwnWaits([OwnWait(*each) for each in every], dict(runs))

    def rest(self, timers: bool, seconds: float) -> tuple[str, list[Any], list[Any]]:
        """Return what `agent.rest` sees, or first why it can see nothing."""
        asked = b"rest timers" if timers else b"rest"
        (_, found), _ = self._client.ask(messages.STACKS, asked, seconds)
        assert isinstance(found, bytes)
        why, awake, asleep = marshal.loads(found)
        return why, awake, asleep

    def has_debugger(self, seconds: float) -> bool:
        """Return whether a debugger of Python code is attached to it; raises as `stacks`."""
        (_, name), _ = self._client.ask(messages.STACKS, b"debugger", seconds)
        return bool(name)

    def debug(self, what: str, session: int, *more: Any) -> None:
        """Say something to a debugger in the peer."""
        with contextlib.suppress(PeerDown):
            data = marshal.dumps((what, session, *more), 2)
            self._client.enqueue(messages.DEBUG, self._client.number(), data, True)

    def cover(self, what: bytes, name: str, waiter: ReplyWaiter) -> None:
        """Ask the agent's module `coverage`; `waiter` gets the reply, or hears that none comes."""
        ident = self._client.number()
        try:
            self._client.expect(ident, waiter)
            payload = what + b" " + name.encode("utf-8", "surrogatepass")
            self._client.enqueue(messages.COVERAGE, ident, payload)
        except PeerDown as exc:
            self._client.pending.pop(ident, None)
            waiter.fail(exc)

    def send_context(self) -> ReplyWaiter | None:
        """Have the peer switch to the context of now; ``None`` if it has done so."""
        context, waiter = self.context(), ReplyWaiter()
        if context == self._context:
            return None
        self._context = context
        self.cover(messages.CONTEXT, context, waiter)
        return waiter

    def provide(self, modules: Callable[[], dict[str, Any]], what: str) -> None:
        """Send modules of the agent that it did not get at its boot, unless it has got `what`."""
        if what not in self._provided:
            self._client.enqueue(messages.MODULES, 0, marshal.dumps(modules(), 2))
            self._provided.add(what)

    def let_go(self, point: int, held: int, failure: dict[str, Any] | None) -> None:
        """Let the call that a point holds under that number go on, or raise what is described."""
        data = marshal.dumps((held, failure), 2)
        self._client.enqueue(messages.POINT, point, data, True)

    def shut_down(self, how: str) -> None:
        """Ask the peer to end: ``"halt"`` or ``"finish"``."""
        with contextlib.suppress(PeerDown):
            self._client.enqueue(messages.SHUTDOWN, self._client.number(), how.encode())
