"""Several peers at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, NoReturn, final, overload

from ..core.clock import monotonic
from ..core.errors import CallTimeout
from ..evidence.stacks import record_all
from ..link.futures import Outcome, PeerFuture
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

    def __repr__(self) -> str:
        return f"<PeerGroup {', '.join(map(repr, self._peers))}>"

    def __reduce__(self) -> NoReturn:
        raise TypeError(
            "a group of peers cannot be sent to another process; "
            "send its names, or values that the peers have returned"
        )

    def call(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> list[Any]:
        """Call `fn` on every member; see `Peer.call`."""
        return self._call([partial(peer.submit, fn, *args, **kwargs) for peer in self._peers])

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

    def cast(self, fn: Callable[..., Any] | str, /, *args: Any, **kwargs: Any) -> None:
        """Run `fn` on every member, and wait for no answer; see `Peer.cast`."""
        self._values([_outcome(partial(peer.cast, fn, *args, **kwargs)) for peer in self._peers])

    def stop(self) -> None:
        """Stop all members; see `Peer.stop`."""
        stop_all([life for peer in self._peers for life in peer.lives.stoppable])
        for peer in self._peers:
            peer.lives.owner.ports.release([peer])

    def kill(self, *, save: bool = True) -> None:
        """Kill all members with SIGKILL; see `Peer.kill`."""
        kill_all([life for peer in self._peers for life in peer.lives.stoppable], save=save)

    def _values(self, outcomes: Sequence[Outcome], ended: Mapping[int, float] = {}) -> list[Any]:
        now = monotonic()
        failures = [
            Failure(index, self[index].life, exc, ended.get(index, now))
            for index, (_, exc) in enumerate(outcomes)
            if exc is not None
        ]
        raise_for(failures, len(self))
        return [value for value, _ in outcomes]

    def _call(self, submits: Iterable[Callable[[], PeerFuture]]) -> list[Any]:
        started = monotonic()
        outcomes = [_outcome(submit) for submit in submits]
        ended: dict[int, float] = {}  # when, by the index of the member
        for index, (future, failed) in enumerate(outcomes):
            if failed is None:
                # Not the method of the subclass, which may let another thread run it, later.
                Future.add_done_callback(future, partial(_note_end, ended, index))
            else:
                ended[index] = started
        late: dict[int, Peer] = {}
        for index, (peer, (future, failed)) in enumerate(zip(self, outcomes, strict=True)):
            limit = peer.options.call_timeout
            left = None if limit is None else max(0.0, limit - (monotonic() - started))
            if failed is None:
                begun = monotonic()
                if future.wait(left):
                    outcomes[index] = future.outcome(0)
                    if left and monotonic() - begun > left:  # a debugger: the limit begins anew
                        started = monotonic()
                else:
                    late[index] = peer
        stacks = record_all([peer.life.stacks for peer in late.values()], "a call timed out")
        for (index, peer), text in zip(late.items(), stacks, strict=True):
            whom, limit = peer.life.record.whom(), peer.options.call_timeout
            outcomes[index] = None, CallTimeout(f"no answer from {whom} within {limit:g} s", text)
        return self._values(outcomes, ended)


def _note_end(ended: dict[int, float], index: int, _: object) -> None:
    ended[index] = monotonic()


def _outcome(action: Callable[[], Any]) -> Outcome:
    try:
        return action(), None
    except Exception as exc:
        return None, exc
