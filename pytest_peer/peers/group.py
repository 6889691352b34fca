"""Several peers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from signal import SIGKILL
from typing import Any, NoReturn, final, overload

from ..core.clock import monotonic, seconds
from ..core.down_reason import DownReason
from ..core.names import listed
from ..link.futures import Outcome, PeerFuture
from .at_once import Calls, at_once, outcome_of
from .choreography.settle import Settling
from .group_failures import Failure, raise_for
from .peer import Peer
from .restart import kill_all, stop_all


@final
class PeerGroup(Sequence[Peer]):
    """Peers in order, with the verbs of a peer. `Peer.map` alone differs: see `map`.

    Each verb acts on all members at the same time. Results come in the members' order. Failures are
    one ``ExceptionGroup``, the earliest first: its text names the first, and a failure stands for
    equal ones of other members, which its note names. A member that skips, or fails as expected,
    does so for the test, unless another one fails.
    """

    def __init__(self, peers: Sequence[Peer]) -> None:
        """:private: made by ``peer_factory.many``."""
        self._peers = tuple(peers)

    @overload
    def __getitem__(self, index: int) -> Peer: ...
    @overload
    def __getitem__(self, index: slice) -> PeerGroup: ...
    def __getitem__(self, index: int | slice) -> Peer | PeerGroup:
        chosen = self._peers[index]
        return PeerGroup(chosen) if isinstance(chosen, tuple) else chosen

    def __len__(self) -> int:
        return len(self._peers)

    def __sub__(self, others: Peer | Iterable[Peer]) -> PeerGroup:
        """Return the group without a member, or without several.

        :raises ValueError: One of them is no member.
        """
        if not isinstance(others, Peer | Iterable):
            return NotImplemented
        left = list(self._peers)
        for each in [others] if isinstance(others, Peer) else others:
            if each not in left:
                raise ValueError(f"{each!r} is no member of {self!r}")
            left.remove(each)
        return PeerGroup(left)

    def only(self, *names: str) -> PeerGroup:
        """Return the group of the members with these names, in the order of the names.

        :raises LookupError: No member has one of them.
        """
        known = {peer.name: peer for peer in self._peers}
        if missing := [name for name in names if name not in known]:
            raise LookupError(f"no member is named {listed(missing)}; there are {listed([*known])}")
        return PeerGroup([known[name] for name in names])

    def __repr__(self) -> str:
        return f"<PeerGroup {', '.join(map(repr, self._peers))}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a group of peers cannot be sent to another process; "
            "send its names, or values that the peers have returned"
        )

    # Calls

    def call(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> list[Any]:
        """Call `fn` on every member; see `Peer.call`."""
        return self._call([partial(peer.submit, fn, *args, **kwargs) for peer in self])

    def call_within(
        self, timeout: float | None, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any
    ) -> list[Any]:
        """Call `fn` on every member with a limit in seconds; see `Peer.call_within`."""
        submits = [partial(peer.submit, fn, *args, **kwargs) for peer in self]
        return self._call(submits, [seconds("call_within", timeout)] * len(self))

    def map(self, fn: Callable[..., Any] | str, /, *iterables: Any) -> list[Any]:
        """Call `fn` on every member, each with its own arguments.

        :param iterables: The first member is given the first item of each.
        :raises ValueError: An iterable has not as many items as there are members.
        """
        rows = list(zip(self._peers, *iterables, strict=True))
        return self._call([partial(peer.submit, fn, *row) for peer, *row in rows])

    def submit(
        self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any
    ) -> list[PeerFuture]:
        """Call `fn` on every member without waiting; see `Peer.submit`."""
        return [peer.submit(fn, *args, **kwargs) for peer in self._peers]

    async def acall(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> list[Any]:
        """Call `fn` on every member, and await all outcomes; see `Peer.acall`."""
        calls = Calls(partial(peer.submit, fn, *args, **kwargs) for peer in self)
        limits = [peer.options.call_timeout for peer in self]
        return self._values(await calls.awaited(self._peers, limits), calls.ended)

    def cast(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        """Run `fn` on every member, and wait for no answer; see `Peer.cast`."""
        self._values([outcome_of(partial(peer.cast, fn, *args, **kwargs)) for peer in self._peers])

    def send(self, mailbox: str, message: object) -> None:
        """Put a message into the mailbox of that name of every member; see `Peer.send`."""
        self._values([outcome_of(partial(peer.send, mailbox, message)) for peer in self._peers])

    def dump_stacks(self) -> list[str]:
        """Return the stacks of every member; see `Peer.dump_stacks`."""
        return self._at_once(Peer.dump_stacks)

    # Life and death

    def stop(self) -> None:
        """Stop all members; see `Peer.stop`."""
        stop_all([life for peer in self._peers for life in peer.lives.stoppable])
        for peer in self._peers:
            peer.lives.owner.ports.release([peer])

    def kill(self, signal: int = SIGKILL, *, save: bool = True) -> None:
        """Send a signal to all members, SIGKILL by default; see `Peer.kill`."""
        if signal == SIGKILL:
            kill_all([life for peer in self._peers for life in peer.lives.stoppable], save=save)
        else:
            self._values([outcome_of(partial(peer.kill, signal, save=save)) for peer in self])

    def pause(self) -> None:
        """Stop all members, and what they started, until `resume`; see `Peer.pause`."""
        self._at_once(Peer.pause)

    def resume(self) -> None:
        """Let all members go on after `pause`; see `Peer.resume`."""
        self._at_once(Peer.resume)

    def restart(self, **changes: Any) -> PeerGroup:
        """Restart all members, and return the group; see `Peer.restart`."""
        self._at_once(partial(_restart, changes))
        return self

    def wait_down(self, timeout: float | None = None) -> list[DownReason]:
        """Wait until all members are down, and return why; see `Peer.wait_down`.

        :param timeout: Seconds for all of them, ``None`` for no limit.
        """
        limit = seconds("timeout", timeout)
        return self._at_once(lambda peer: peer.wait_down(limit))

    @contextmanager
    def expect_death(self, timeout: float | None = 5.0) -> Iterator[PeerGroup]:
        """Expect all members to go down in the block; see `Peer.expect_death`.

        :param timeout: Seconds from the end of the block to the last death, 5 by default; ``None``
            for no limit.
        """
        blocks = [peer.expect_death(timeout) for peer in self]
        entered = [outcome_of(block.__enter__) for block in blocks]
        inside = [block for block, (_, exc) in zip(blocks, entered, strict=True) if exc is None]
        try:
            self._values(entered)
            yield self
        except BaseException as exc:
            leave = [partial(block.__exit__, type(exc), exc, exc.__traceback__) for block in inside]
            at_once(leave)
            raise
        self._values(at_once([partial(block.__exit__, None, None, None) for block in blocks]))

    def _at_once(self, action: Callable[[Peer], Any]) -> list[Any]:
        """Do that to all members at the same time; raise the failures, or return the results."""
        return self._values(at_once([partial(action, peer) for peer in self]))

    def settle(self, timeout: float | None = 5.0, *, ignore_timers: bool = True) -> None:
        """Wait until all members are at rest at the same moment; see `Peer.settle`."""
        Settling(lambda: [peer.life for peer in self], (), ignore_timers).wait(timeout)

    def _values(self, outcomes: Sequence[Outcome], ended: Mapping[int, float] = {}) -> list[Any]:
        now = monotonic()
        failures = [
            Failure(index, self[index].life, exc, ended.get(index, now))
            for index, (_, exc) in enumerate(outcomes)
            if exc is not None
        ]
        raise_for(failures, len(self))
        return [value for value, _ in outcomes]

    def _call(
        self,
        submits: Iterable[Callable[[], PeerFuture]],
        limits: Sequence[float | None] | None = None,
    ) -> list[Any]:
        calls = Calls(submits)
        limits = limits or [peer.options.call_timeout for peer in self]
        return self._values(calls.waited(self._peers, limits), calls.ended)


def _restart(changes: Mapping[str, Any], peer: Peer) -> None:
    peer.restart(**changes)
