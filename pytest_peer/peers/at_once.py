"""What is done to several peers at the same time, with an outcome for each of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import TYPE_CHECKING, Any

from ..core.clock import monotonic
from ..core.errors import CallTimeout
from ..core.sync import Event
from ..core.worker import start_thread
from ..evidence.stacks import record_all
from ..link.futures import Outcome, PeerFuture

if TYPE_CHECKING:
    from .peer import Peer


def outcome_of(action: Callable[[], Any]) -> Outcome:
    try:
        return action(), None
    except Exception as exc:
        return None, exc


def at_once(actions: Sequence[Callable[[], Any]]) -> list[Outcome]:
    """Do all of them, each on a thread of its own, which ends also when this is interrupted."""
    outcomes: dict[int, Outcome] = {}
    done = Event()

    def act(index: int, action: Callable[[], Any]) -> None:
        try:
            outcomes[index] = action(), None
        except BaseException as exc:
            outcomes[index] = None, exc
        finally:
            done.wake()

    for index, action in enumerate(actions):
        start_thread(partial(act, index, action), f"pytest-peer-group-{index}")
    # Each of the actions has its own limit.
    done.wait_for(lambda: len(outcomes) == len(actions), None)
    return [outcomes[index] for index in range(len(actions))]


class Calls:
    """Calls to several peers that were submitted together; each limit counts from then."""

    def __init__(self, submits: Iterable[Callable[[], PeerFuture]]) -> None:
        self._started = monotonic()
        self._outcomes = [outcome_of(submit) for submit in submits]
        #: When they have ended, by the index of the member.
        self.ended: dict[int, float] = {}
        for index, (future, failed) in enumerate(self._outcomes):
            if failed is None:
                # Not the method of the subclass, which may let another thread run it, later.
                Future.add_done_callback(future, partial(self._note_end, index))
            else:
                self.ended[index] = self._started

    def _note_end(self, index: int, _: object) -> None:
        self.ended[index] = monotonic()

    def _left(self, limit: float | None) -> float | None:
        return None if limit is None else max(0.0, limit - (monotonic() - self._started))

    def waited(self, peers: Sequence[Peer], limits: Sequence[float | None]) -> list[Outcome]:
        """Wait for the outcomes; a `CallTimeout` is that of one who is late."""
        outcomes, late = list(self._outcomes), list[int]()
        for index, (future, failed) in enumerate(self._outcomes):
            if failed is not None:
                continue
            left, begun = self._left(limits[index]), monotonic()
            # A limit of 0 is a timeout at once, however fast the peer is.
            if future.wait(left) and limits[index] != 0:
                outcomes[index] = future.outcome(0)
                if left and monotonic() - begun > left:  # a debugger: the limit begins anew
                    self._started = monotonic()
            else:
                late.append(index)
                peers[index].life.client.pending.pop(future.ident, None)  # a late reply is dropped
        stacks = record_all([peers[index].life.stacks for index in late], "a call timed out")
        for index, text in zip(late, stacks, strict=True):
            outcomes[index] = None, _late(peers[index], limits[index], text)
        return outcomes

    async def awaited(self, peers: Sequence[Peer], limits: Sequence[float | None]) -> list[Outcome]:
        """Do the same in a task of asyncio or trio. Cancelling it cancels the coroutines there."""
        outcomes = list(self._outcomes)
        try:
            for index, (future, failed) in enumerate(self._outcomes):
                if failed is None:
                    outcomes[index] = await self._one(future, peers[index], limits[index])
        except BaseException:  # a cancellation, whichever library's
            for future, failed in self._outcomes:
                if failed is None and not future.done():
                    future.abandoned = True
                    future.cancel()
            raise
        return outcomes

    async def _one(self, future: PeerFuture, peer: Peer, limit: float | None) -> Outcome:
        try:
            return await future.aresult(self._left(limit)), None
        except BaseException as exc:
            if future.done() and future.exception(0) is exc:
                return None, exc  # perhaps a SystemExit, of the function
            if not isinstance(exc, CallTimeout):
                raise
            peer.life.client.pending.pop(future.ident, None)  # a late reply is dropped
            return None, _late(peer, limit, exc.stacks)


def _late(peer: Peer, limit: float | None, stacks: str) -> CallTimeout:
    told = peer.life.owner.with_deadlock(stacks)
    return CallTimeout(f"no answer from {peer.life.record.whom()} within {limit:g} s", told)
