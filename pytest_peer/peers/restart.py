"""Lives of peers: how a restart follows one by the next, expected deaths, the end of several."""

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..core.clock import monotonic
from ..core.errors import PeerDown, PeerError
from ..core.locks import Lock
from ..core.options import changed
from .lifecycle import KILLED, PeerLife
from .transitions import Phase

if TYPE_CHECKING:
    from .choreography.points import Point
    from .peer import Peer
    from .supervisor import Supervisor

#: Seconds for a death of which a call has learned to be noticed as such; milliseconds mostly.
_NOTICED = 2.0


class ExpectedDeath:
    """A block that waits for the peer's death, and excuses it."""

    life: PeerLife | None = None  # that has ended in it


class Lives:
    """One at a time; while the next is being started, the one before is still the present one."""

    def __init__(self, owner: "Supervisor", peer: "Peer") -> None:
        self.owner = owner
        self.peer = peer
        #: What can be stopped: the life that had a process last, and those begun after it.
        self.stoppable: tuple[PeerLife, ...] = ()
        #: Whose blocks have begun and not ended: a life that boots has them, too.
        self.points: list[Point] = []
        # The blocks that wait for the peer's death, in whichever life it comes.
        self._expectations: set[ExpectedDeath] = set()
        # One for each process: a thread that is not in a forked child may have held the parent's.
        self._turns: dict[int, threading.RLock] = {}

    @property
    def present(self) -> PeerLife:
        """The last life that has or had a process."""
        return [life for life in self.stoppable if life.process.started][-1]

    @property
    def started(self) -> bool:
        return any(life.process.started for life in self.stoppable)

    def publish(self, life: PeerLife) -> None:
        """Let a life be stopped and killed from now on; on its boot thread."""
        present = [self.present] if self.started else []
        begun = [each for each in self.stoppable if each.phase < Phase.DOWN and each not in present]
        self.stoppable = (*present, *begun, life)

    def ending(self, life: PeerLife) -> bool:
        """Return whether a block expects the end of a life, which begins; on the event loop."""
        life.record.end_begun = monotonic()
        expectations = tuple(self._expectations)
        for each in expectations:
            if not life.requests.stop:  # `restart` stops; a block does not wait for that
                each.life = life
        return bool(expectations)

    def renew(self, changes: Mapping[str, Any]) -> PeerLife:
        """Stop the present life, begin the next with some `changes` of options, and return it.

        Threads take turns to begin a life, but none waits for the boot of another's. If no process
        can be started, the present life stays.
        """
        try:
            self.owner.restarting.add(threading.get_ident())
            while True:
                ended = self.present
                options = changed(ended.options, changes)  # before anything is stopped
                stop_all([ended], wait_closed=True)
                with self._turns.setdefault(os.getpid(), Lock()):
                    if self.present is ended:
                        life = PeerLife(options, self)
                        life.start()
                        return life
        finally:
            self.owner.restarting.discard(threading.get_ident())
            self.owner.mail.wake()

    @contextlib.contextmanager
    def expect_death(self, timeout: float | None) -> Iterator["Peer"]:
        """Excuse the peer's death in the block; see `Peer.expect_death`."""
        expectation = ExpectedDeath()
        stacks = ""
        try:
            self._expectations.add(expectation)
            if (life := self.present).phase >= Phase.ENDING:
                life.wait_down(KILLED)
                if expectation.life is None:  # its end had come before the block
                    raise life.record.down_error()
            yield self.peer
            # A peer that died in the block and was restarted there has died.
            if expectation.life is None and not self.present.wait_down(timeout):
                stacks = self.present.stacks.record("its death was expected")
                stacks = self.owner.with_deadlock(stacks)
        except BaseException as exc:
            if BaseExceptionGroup("", [exc]).subgroup(PeerDown) is not None:  # also one in a group
                self.present.wait_down(_NOTICED)  # a `cast` finds the link closed before that
            raise
        finally:
            self._expectations.discard(expectation)
        # Looked at again, now that nothing excuses it any more: a death until here was excused.
        if expectation.life is not None:
            expectation.life.wait_down(KILLED)  # it has perhaps only begun
        elif self.present.phase < Phase.DOWN:
            text = f"{self.present.record.whom()} was expected to die and still runs"
            raise TimeoutError(f"{text} after {timeout:g} s\n{stacks}")


def stop_all(lives: Sequence[PeerLife], *, wait_closed: bool = False) -> None:
    """Stop all as their option ``shutdown`` says; an interrupt of the wait kills them.

    :param wait_closed: Whether to wait also for those whose option is ``"close"``.
    :raises PeerError: One is not gone although it was killed; several: ``ExceptionGroup``.
    """
    try:
        for life in lives:
            life.stop()
        _wait([life for life in lives if wait_closed or life.options.shutdown != "close"])
    except BaseException:
        # Ctrl-C, or a time limit. One that is not gone after its kill was waited for already.
        kill_all([life for life in lives if not life.requests.kill])
        raise


def kill_all(lives: Sequence[PeerLife], *, save: bool = True) -> None:
    """Kill all, and wait until they are gone; raises as `stop_all`.

    :param save: Whether they first save what they measure of coverage.
    """
    for life in lives:
        life.kill(save)
    _wait(lives)


def _wait(lives: Sequence[PeerLife]) -> None:
    failures: list[PeerError] = []
    for life in lives:
        try:
            life.wait_released()
        except PeerError as exc:  # an exception of a signal handler ends the wait for all
            failures.append(exc)
    if failures:
        raise ExceptionGroup("peers are not gone", failures) if failures[1:] else failures[0]
