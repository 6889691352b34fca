"""The barriers of the state machine of choreography: who has come, who is let go, and how."""

from __future__ import annotations

from concurrent.futures import CancelledError, wait
from dataclasses import dataclass, field
from typing import Any

import machine_calls as calls
from machine_model import TEST, Meeting, Party
from machine_world import Call, World, blocked_on, until
from timeouts import LONG

from pytest_peer import BarrierBroken, PeerDown

MEET = {"thread": calls.meet, "task": calls.ameet, "child": calls.child_meets}


@dataclass
class Barrier:
    meeting: Meeting = field(default_factory=Meeting)
    waiting: dict[str, Call] = field(default_factory=dict)


class Barriers:
    """All barriers of an example, by their names."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._barriers: dict[str, Barrier] = {}

    def waiting(self) -> list[Call]:
        """Return the calls that wait at one."""
        return [call for each in self._barriers.values() for call in each.waiting.values()]

    def meet(self, name: str, parties: int, comers: list[Any], friendly: bool) -> None:
        """Come to a barrier, by several ways; at the same time if the order does not matter.

        :param friendly: come to none that has broken, and for the number of those that have come.
        """
        name, barrier = self._found(name, friendly)
        world, meeting = self._world, barrier.meeting
        if meeting.came and friendly:
            parties = meeting.parties
        comers = [each for each in comers if each[0] == TEST or world.lives(each[0])]
        differs = meeting.came and parties != meeting.parties
        in_turn = len(world.living) < parties or differs or meeting.broken
        for some in [[each] for each in comers] if in_turn else [comers]:
            begun = [(self._come(name, parties, *each), *each) for each in some]
            world.rest()
            self._have_come(barrier, parties, begun)

    def come_and_wait_too_long(
        self, name: str, parties: int, who: str, way: str, limit: float
    ) -> None:
        """Come to a barrier for a moment, which breaks it unless this is the last party."""
        name, barrier = self._found(name, True)
        world, meeting = self._world, barrier.meeting
        who = who if world.lives(who) and way != "child" else TEST
        parties = meeting.parties if meeting.came else parties
        came = list(meeting.came)
        call = self._come(name, parties, who, way, limit)
        wait([call.future], LONG)
        world.rest()
        party = Party(who, False, call.ident)
        if meeting.enter(party, parties, world.living, world.lost) == "open":
            for each in (*barrier.waiting.values(), call):
                assert world.is_value(each.future, ())
            barrier.waiting = {}
        else:
            self._check_broken(barrier, [*barrier.waiting.values(), call], [*came, party])

    def ended(self, peer: str, living: set[str]) -> None:
        """Check all at which somebody waits; `living` are the other peers."""
        for barrier in self._barriers.values():
            came = list(barrier.meeting.came)
            if barrier.meeting.ended(peer, living) and barrier.waiting:
                self._check_broken(barrier, list(barrier.waiting.values()), came)

    def open_all(self) -> None:
        """Let the test come for those who are missing; all peers have ended."""
        for name, barrier in self._barriers.items():
            if barrier.waiting:
                assert all(call.peer == TEST for call in barrier.waiting.values())
                parties = barrier.meeting.parties
                missing = range(parties - len(barrier.meeting.came))
                comers = [self._come(name, parties, TEST, "thread") for _ in missing]
                for call in (*barrier.waiting.values(), *comers):
                    assert self._world.is_value(call.future, ())
                barrier.waiting = {}

    def _found(self, name: str, whole: bool) -> tuple[str, Barrier]:
        """Return the last barrier whose name begins so, or a new one if a `whole` one is wanted."""
        every = [each for each in self._barriers if each.startswith(name)]
        if not every or (whole and self._barriers[every[-1]].meeting.broken):
            every.append(f"{name}{len(every)}-")
        return every[-1], self._barriers.setdefault(every[-1], Barrier())

    def _come(self, name: str, parties: int, who: str, way: str, limit: Any = None) -> Call:
        world, name = self._world, self._world.name(name)
        if who == TEST:
            return world.in_test(way, lambda: world.factory.barrier(name, parties, limit))
        call = world.submit(who, way, MEET[way], name, parties, limit)
        call.on = blocked_on(way, f"barrier {name}")
        return call

    def _have_come(self, barrier: Barrier, parties: int, begun: list[Any]) -> None:
        """Let them come in the model too, and compare."""
        meeting, comers = barrier.meeting, [*barrier.waiting.values()]
        world, came, ended = self._world, list(meeting.came), ""
        for call, who, way in begun:
            party = Party(who, way == "child" and who != TEST, call.ident)
            came.append(party)
            comers.append(call)
            ended = meeting.enter(party, parties, world.living, world.lost) or ended
        if ended == "broken":
            self._check_broken(barrier, comers, came)
            return
        # Which of those that came at the same time have begun the next round is not known.
        until(lambda: sum(not each.future.done() for each in comers) == len(meeting.came))
        until(lambda: all(each.parked() for each in comers if each.peer == TEST))
        assert sum(not each.future.done() for each in comers) == len(meeting.came)
        barrier.waiting = {each.ident: each for each in comers if not each.future.done()}
        meeting.came = [each for each in came if each.call in barrier.waiting]
        for each in comers:
            assert not each.future.done() or world.is_value(each.future, ())

    def _check_broken(self, barrier: Barrier, comers: list[Call], came: list[Party]) -> None:
        """Check that all who have come get a `BarrierBroken`, and that it has their names."""
        barrier.meeting.broken = True
        for call in comers:
            if call.peer != TEST and self._world.is_gone(call):
                assert not self._world.is_value(call.future, (PeerDown, BarrierBroken))
                continue
            errors = (BarrierBroken, *[CancelledError] * call.cancelled)
            assert not self._world.is_value(call.future, errors)
            exc = call.future.exception(0)
            if isinstance(exc, BarrierBroken) and barrier.waiting:
                names = sorted(each.partition(" (process")[0] for each in exc.came)
                assert names == sorted(each.who for each in came)
        barrier.waiting, barrier.meeting.came = {}, []
