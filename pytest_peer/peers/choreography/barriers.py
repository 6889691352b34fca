"""The barriers of a factory: tells its peers and the test when one opens, or why it has broken."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, NamedTuple
from weakref import ref

from ...core.clock import Periods
from ...core.errors import BarrierBroken
from ...core.locks import Lock
from ...core.worker import run_all, start_thread
from ...link.protocol.siblings import parties_of
from . import where
from .barrier import Barrier, Party

if TYPE_CHECKING:
    from ..lifecycle import PeerLife
    from ..supervisor import Supervisor

#: Seconds for the stacks of those that have not come, which all who wait have to wait for.
_STACKS_SECONDS = 0.5
#: Of as many peers that have ended it is known how.
_MOST_ENDED = 1000
#: Takes ``None``, or the error; neither waits nor raises.
Settle = Callable[[BarrierBroken | None], object]
#: Makes the error, a new one for each that raises it.
_Make = Callable[[], BarrierBroken]


class _Ended(NamedTuple):
    """The end of a life, which this does not keep in memory."""

    life: Callable[[], PeerLife | None]
    reason: str


class Barriers:
    """All that parties have come to; none is forgotten, as a broken one stays broken."""

    def __init__(self, owner: Supervisor) -> None:
        self._owner = owner
        self._lock = Lock()
        self._tokens = itertools.count(1)
        self._barriers: dict[str, Barrier] = {}
        self._settles: dict[int, tuple[Barrier, Settle]] = {}
        # Of those that have broken, as soon as the stacks are known.
        self._errors: dict[str, _Make] = {}
        # The last that has ended, by its name; the oldest are forgotten.
        self._ended: dict[str, _Ended] = {}
        self._ends = 0
        # As of when it was looked who may come to each barrier. That takes long with many peers,
        # and afterwards these are fewer only if one has ended, or has not come back.
        self._looked: dict[str, tuple[int, bool]] = {}

    def token(self) -> int:
        """Return what stands for a party that is about to come."""
        return next(self._tokens)

    def enter(self, token: int, name: str, parties: int, party: Party, settle: Settle) -> None:
        """Let a party come; `settle` tells how it ends."""

        def come() -> list[int]:
            self._settles[token] = barrier, settle
            now = self._ends, bool(self._owner.restarting)
            if barrier.came and self._looked.get(name) == now:
                return barrier.enter(token, party, parties)
            self._looked[name] = now
            return barrier.enter(token, party, parties, self._living(), self._lost())

        with self._lock:
            barrier = self._barriers.setdefault(name, Barrier(name))
        self._change(barrier, come)

    def leave(self, token: int, why: str) -> None:
        """Let a party go that waits no longer; this breaks the barrier."""
        barrier, _ = self._settles.get(token, (None, None))
        if barrier is not None:
            self._change(barrier, partial(barrier.leave, token, why))

    def expire(self, token: int, limit: float | None) -> None:
        """Let a party go that has waited for too long."""
        self.leave(token, f"waited for {limit:g} s")

    def ended(self, life: PeerLife) -> None:
        """Note that a peer has ended, or is about to be down."""
        name, reason = life.options.name, str(life.record.reason)
        with self._lock:
            self._ended.pop(name, None)
            self._ends += 1
            self._ended[name] = _Ended(ref(life), reason)
            for oldest in list(self._ended)[:-_MOST_ENDED]:
                del self._ended[oldest]
            barriers = list(self._barriers.values())
        comes_back = bool(self._owner.restarting) and life.requests.stop
        for barrier in barriers:
            living = {*self._living(), *([name] if comes_back else [])}
            self._change(barrier, partial(barrier.ended, name, reason, living))

    def wait(self, name: str, parties: int, timeout: float | None) -> None:
        """Let the test come, and wait; see `PeerFactory.barrier`."""
        parties_of(name, parties)
        mail, errors = self._owner.mail, list[BarrierBroken | None]()
        failure: BaseException | None = None

        def settled() -> bool:
            nonlocal failure
            failure = self._owner.services.failure()
            return bool(errors) or failure is not None

        wait = partial(mail.wait_for, settled)

        def settle(error: BarrierBroken | None) -> None:
            errors.append(error)
            mail.wake()

        token = self.token()
        try:
            self.enter(token, name, parties, Party(""), settle)
            if not any(map(wait, Periods(timeout, self._owner.held))):
                self.expire(token, timeout)
                mail.wait_for(lambda: bool(errors), None)
            if failure is not None and not errors:
                raise failure
        except BaseException:  # Ctrl-C, a time limit's signal
            self.leave(token, "has given up")
            raise
        if errors[0] is not None:
            raise errors[0]

    def _change(self, barrier: Barrier, change: Callable[[], list[int]]) -> None:
        """Change it, and tell those that this lets go."""
        with self._lock:
            broken_before = bool(barrier.why)
            released = change()
            broken = bool(barrier.why)
            # Now: the next round may break before they are told.
            opened = [] if broken else [self._settles.pop(token)[1] for token in released]
        for settle in opened:
            run_all(partial(settle, None))
        if broken and not broken_before:
            # Who has to wait no longer is told in which state the others are, which takes a moment.
            start_thread(partial(self._tell, barrier), "pytest-peer-barrier")
        elif broken and released and barrier.name in self._errors:
            self._settle_broken(barrier)

    def _tell(self, barrier: Barrier) -> None:
        """Find out where the missing are, and tell all that have come to a broken barrier."""
        make: _Make = partial(BarrierBroken, f"barrier {barrier.name!r} is broken: {barrier.why}")
        try:
            make = self._described(barrier)
        finally:
            self._errors[barrier.name] = make
            self._settle_broken(barrier)

    def _settle_broken(self, barrier: Barrier) -> None:
        make = self._errors[barrier.name]
        for token, (other, _) in list(self._settles.items()):
            if other is barrier:
                _, settle = self._settles.pop(token, (None, None))
                if settle is not None:  # another thread tells it
                    run_all(partial(settle, make()))

    def _described(self, barrier: Barrier) -> _Make:
        came = [str(party) for party in barrier.came.values()]
        living = self._living()
        # In the order of their numbers, if they have some.
        peers = sorted({*living, *self._ended}, key=lambda name: (len(name), name))
        missing = barrier.missing(peers)
        shown = [self._shown(name, living) for name in missing]
        asked = [name for name in missing if name in living]
        if self._owner.unhandled.closing:  # they are being stopped
            asked = []
        lives = [living[name] for name in asked]
        stacks = where.of(lives, f"barrier {barrier.name!r} broke", _STACKS_SECONDS)
        text = (
            f"barrier {barrier.name!r} is broken: {barrier.why}; of {barrier.parties} parties "
            f"{len(came)} had come: {', '.join(came)}; not come: {', '.join(shown) or 'no peer'}"
        )
        return partial(BarrierBroken, text, came, missing, stacks)

    def _shown(self, name: str, living: Mapping[str, PeerLife]) -> str:
        return name if name in living else f"{name} ({self._ended[name].reason})"

    def _living(self) -> dict[str, PeerLife]:
        lives = {life.options.name: life for life in self._owner.left()}
        return {name: life for name, life in lives.items() if not self._has_ended(life)}

    def _lost(self) -> list[str]:
        """Return the peers whose last life has just died, though nobody had asked for it."""
        return [life.options.name for life in self._owner.lost() if self._has_ended(life)]

    def _has_ended(self, life: PeerLife) -> bool:
        end = self._ended.get(life.options.name)
        return end is not None and end.life() is life
