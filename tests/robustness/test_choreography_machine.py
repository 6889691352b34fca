"""Mailboxes, barriers, points, siblings and deaths at random, against a model of them.

Nothing may hang, no message be lost or doubled, nobody be let go early; what fails has to fail with
the documented error. One run has a few examples. For a long one, of so many tests like it::

    PEER_MACHINE_ROUNDS=120 tests/run tests/robustness/test_choreography_machine.py

A failure shows all that was done in its example, and the seed: ``PEER_MACHINE_SEED=... tests/run``
makes the same draws again. Hypothesis prints its `reproduce_failure`; put that where it says so
below. A race may have another end then.

What of messages the model expects: one that a sender has sent, as its call has returned, is taken
once, behind all that were sent before. Of a sender that dies meanwhile, the first ones arrive,
without a gap. A mailbox of a peer ends with that.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import hypothesis
import machine_calls as calls
import pytest
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    get_state_machine_test,
    initialize,
    invariant,
    rule,
)
from machine_model import TEST, Mail, Meeting, Message, Party, Place, Sending
from timeouts import LONG

from pytest_peer import BarrierBroken, CallTimeout, NotBlocked, PeerDown, PointNotReached

ROUNDS = int(os.environ.get("PEER_MACHINE_ROUNDS", "1"))
SEED = os.environ.get("PEER_MACHINE_SEED")
#: Of a round, which takes five seconds or so.
EXAMPLES, STEPS = 10, 40
#: For what must not last: longer than what it races with.
SHORT = 0.01

NAMES = ["p-0", "p-1", "p-2"]
PEERS = st.sampled_from(NAMES)
WAYS = st.sampled_from(["thread", "task", "child"])
TAKE = {"thread": calls.take, "task": calls.atake, "child": calls.child_takes}
MEET = {"thread": calls.meet, "task": calls.ameet, "child": calls.child_meets}
WORK: dict[tuple[str, str], Callable[..., Any]] = {
    ("work", "thread"): calls.do_work,
    ("work", "task"): calls.do_work,  # a thread would be held with its event loop
    ("work", "child"): calls.child_does_work,
    ("awork", "thread"): calls.ado_work,
    ("awork", "task"): calls.ado_work,
    ("awork", "child"): calls.child_does_awork,
}
HOW = ["kill", "stop", "exit", "crash", "signal"]
DEATHS = st.sampled_from([None] * 30 + [(name, how) for name in NAMES for how in HOW])
#: Places among those that there are; any number is one.
ANY = st.integers(0, 63)

SENDS = st.tuples(st.just("send"), st.sampled_from([TEST, *NAMES]), WAYS, st.integers(1, 4))
TAKES = st.tuples(
    *(st.just("take"), st.sampled_from(["", "", *NAMES]), WAYS, WAYS),
    st.sampled_from([None, None, None, 0, SHORT]),
)
CANCELS = st.tuples(st.just("cancel"), ANY)


def step(**arguments: Any) -> Any:
    """Make a rule that a failure tells of, with what was done before."""

    def decorate(fn: Any) -> Any:
        @functools.wraps(fn)
        def wrapper(self: Machine, **drawn: Any) -> None:
            self.journal.append(f"{fn.__name__} {drawn}")
            with self.telling():
                fn(self, **drawn)

        return rule(**arguments)(wrapper)

    return decorate


@dataclass(eq=False)
class Call:
    """A call that may wait."""

    ident: str
    #: Whose call it is; `TEST` for a thread of this process.
    peer: str
    way: str
    future: Any
    #: By which way it asks another peer for a message; empty if it asks none.
    inner: str = ""
    limit: float | None = None
    cancelled: bool = False
    #: Those of `Blocked.on` that are right.
    on: tuple[str, ...] = ()
    #: Of the life of the peer that runs it.
    pid: int = 0
    thread: Any = None

    def parked(self) -> bool:
        return self.future.done() or is_parked(self.thread)


@dataclass
class Box:
    mail: Mail = field(default_factory=Mail)
    takers: list[Call] = field(default_factory=list)


@dataclass
class Barrier:
    meeting: Meeting = field(default_factory=Meeting)
    waiting: dict[str, Call] = field(default_factory=dict)


@dataclass(eq=False)
class Point:
    block: Any
    place: Place
    held: Call | None = None
    value: int = 0


#: Messages of one call; whose call; it, if it is none of this process.
Begun = tuple[Sending, str, Any]


class Machine(RuleBasedStateMachine):
    factory: Any
    examples = itertools.count(1)

    def __init__(self) -> None:
        super().__init__()
        self.journal: list[str] = []
        self.failed = False
        self.numbers = itertools.count(1)
        self.example = next(self.examples)
        self.wave = 0
        self.peers: dict[str, Any] = {}
        self.lost: set[str] = set()  # that nobody had asked to end
        self.boxes: dict[tuple[str, str], Box] = {}
        self.barriers: dict[str, Barrier] = {}
        self.points: dict[tuple[str, str], Point] = {}
        self.done: list[Any] = []  # the last futures

    @initialize()
    def begin(self) -> None:
        group = self.factory.many(3, name="p", peer_down="continue", call_timeout=None)
        self.peers = {peer.name: peer for peer in group}

    # Who is there, and what is where

    @contextmanager
    def telling(self) -> Iterator[None]:
        try:
            yield
        except BaseException as exc:
            self.failed = True
            exc.add_note("\n  ".join(["What was done:", *self.journal]))
            raise

    def name(self, word: str) -> str:
        """Return a name that no other example has."""
        return f"{word}{self.example}"

    def ident(self) -> str:
        return f"c{next(self.numbers)}"

    def lives(self, name: str) -> bool:
        return bool(self.peers[name].state == "running")

    @property
    def living(self) -> set[str]:
        return {name for name in self.peers if self.lives(name)}

    def box(self, owner: str, name: str) -> Box:
        return self.boxes.setdefault((owner, name), Box())

    def waiting(self) -> list[Call]:
        """Return all calls that wait and have a future."""
        found = [each for box in self.boxes.values() for each in box.takers if each.future]
        found += [each for barrier in self.barriers.values() for each in barrier.waiting.values()]
        return found + [point.held for point in self.points.values() if point.held is not None]

    def submit(self, peer: str, way: str, fn: Any, *args: Any) -> Call:
        ident = self.ident()
        found = self.peers[peer]
        return Call(ident, peer, way, found.submit(fn, ident, *args), pid=found.pid)

    def is_gone(self, call: Call) -> bool:
        """Return whether the life of the peer that has run it has ended."""
        return not self.lives(call.peer) or self.peers[call.peer].pid != call.pid

    def in_test(self, way: str, fn: Callable[..., Any]) -> Call:
        """Call it on a thread of this process, and return when it has ended or waits."""
        future: Future[Any] = Future()

        def run() -> None:
            try:
                future.set_result(fn())
            except BaseException as exc:
                future.set_exception(exc)

        call = Call(self.ident(), TEST, way, future, thread=threading.Thread(target=run))
        call.thread.start()
        until(call.parked)
        return call

    def rest(self) -> None:
        """Wait until all that has been begun has come to its end, or waits."""
        self.factory.settle(LONG)

    # Mailboxes

    @step(
        owner=st.sampled_from(["", *NAMES]),
        box=st.sampled_from("xy"),
        acts=st.lists(st.one_of(SENDS, TAKES, CANCELS), min_size=1, max_size=5),
        death=DEATHS,
    )
    def mail(self, owner: str, box: str, acts: list[Any], death: Any) -> None:
        """Send and take at the same time; while a peer dies, perhaps."""
        if owner and not self.lives(owner):
            self.mail_for_the_dead(owner, box)
            return
        found = self.box(owner, box)
        self.wave += 1
        begun: list[Begun] = []
        for what, *details in acts:
            if what == "send":
                begun += self.send(owner, box, *details)
            elif what == "take":
                found.takers.append(self.take(owner, box, *details))
            else:
                self.cancel_one_of(found.takers, *details)
        if death is not None and self.lives(death[0]):
            self.end(*death)
        self.account(owner, box, begun)
        self.expect_ends(death)

    def send(self, owner: str, box: str, sender: str, way: str, count: int) -> list[Begun]:
        sending = Sending(self.ident(), count, self.wave)
        name, messages = self.name(box), [tuple(each) for each in sending.messages()]
        if sender == TEST:
            for each in messages if owner else ():
                self.peers[owner].send(name, each)
            return [(sending, sender, None)] if owner else []
        if not self.lives(sender):
            return []
        fn = calls.child_sends if way == "child" else calls.send
        return [(sending, sender, self.submit(sender, way, fn, owner, name, messages).future)]

    def take(
        self, owner: str, box: str, asker: str, way: str, inner: str, limit: float | None
    ) -> Call:
        name = self.name(box)
        if not owner:
            mailbox = self.factory.mailbox(name)
            if way == "task":
                call = self.in_test(way, lambda: asyncio.run(mailbox.aget(limit)))
            else:
                call = self.in_test(way, lambda: mailbox.get(limit))
        elif asker and self.lives(asker):
            ask, way = (calls.aask, way) if way == "task" else (calls.ask, "thread")
            call = self.submit(asker, way, ask, owner, TAKE[inner], name, limit)
            call.inner, call.on = inner, blocked_on(way, f"call {owner}")
        else:
            call = self.submit(owner, way, TAKE[way], name, limit)
            call.on = blocked_on(way, f"mailbox {name}")
        call.limit = limit
        return call

    def cancel_one_of(self, every: list[Call], number: int) -> None:
        some = [each for each in every if each.future and each.peer != TEST and not each.cancelled]
        if some:
            call = some[number % len(some)]
            call.cancelled = call.way == "task"
            call.future.cancel()

    def account(self, owner: str, box: str, begun: Sequence[Begun] = ()) -> None:
        """Check where all messages of a mailbox are, and who waits for some."""
        found = self.box(owner, box)
        for taker in found.takers:
            if taker.limit is not None:  # it sleeps, and so is at rest
                wait([taker.future], LONG)
        self.rest()
        if owner and not self.lives(owner):
            self.account_of_the_dead(found, begun)
            del self.boxes[owner, box]
            return
        taken = self.taken_of_test(found) if not owner else self.taken_of_peer(owner, found)
        left = [Message(*each) for each in self.rest_of(owner, self.name(box))]
        for sending, sender, future in begun:
            if future is None or self.is_value(future, () if self.lives(sender) else (PeerDown,)):
                found.mail.add(sending)
            else:
                arrived = [each for each in (*taken, *left) if each.sending == sending.ident]
                found.mail.add_some(sending, arrived)
        found.mail.take(taken)
        found.mail.take_in_order(left)
        assert not found.mail.left, f"lost: {list(found.mail.left)}"
        assert not (left and found.takers), f"they waited while there was {left}"

    def taken_of_test(self, box: Box) -> list[Message]:
        until(lambda: all(taker.parked() for taker in box.takers))
        taken = []
        for taker in list(box.takers):
            if not taker.future.done():
                assert self.living, "all peers are down, and it waits"
                assert not box.mail.closed
                continue
            box.takers.remove(taker)
            errors = [PeerDown] * (box.mail.closed or not self.living)
            if self.is_value(taker.future, (*errors, *self.late(taker))):
                taken.append(Message(*taker.future.result(0)))
        return taken

    def taken_of_peer(self, owner: str, box: Box) -> list[Message]:
        values, waiting = self.peers[owner].call_within(LONG, calls.takers)
        taken = []
        for taker in list(box.takers):
            if taker.future is not None and self.is_gone(taker):
                self.is_value(taker.future, (PeerDown, TimeoutError))
                taker.future = None  # it waits perhaps, though nobody waits for it
            if taker.ident in waiting:
                if taker.cancelled and taker.inner != "task":
                    taker.future = None
                assert taker.future is None or not taker.future.done(), "let go too early"
                assert not (box.mail.closed or taker.limit is not None)
                continue
            box.takers.remove(taker)
            message = values.get(taker.ident)
            if message is not None:
                taken.append(Message(*message))
            if taker.future is not None:
                errors = [PeerDown] * box.mail.closed + [CancelledError] * taker.cancelled
                is_value = self.is_value(taker.future, (*errors, *self.late(taker)))
                assert is_value == (message is not None) or taker.cancelled
        return taken

    def account_of_the_dead(self, box: Box, begun: Sequence[Begun]) -> None:
        """Check what has come of messages of a peer that has died: none is taken twice."""
        sent = set(box.mail.left)
        for sending, _, future in begun:
            sent |= set(sending.messages())
            if future is not None:
                self.is_value(future, (PeerDown, LookupError))
        taken = [
            Message(*taker.future.result(0))
            for taker in box.takers
            if taker.future is not None
            and self.is_value(taker.future, (PeerDown, LookupError, CancelledError, TimeoutError))
        ]
        assert len(set(taken)) == len(taken)
        assert set(taken) <= sent

    def late(self, taker: Call) -> list[type[BaseException]]:
        return [TimeoutError] * (taker.limit is not None)

    def is_value(self, future: Any, errors: tuple[type[BaseException], ...]) -> bool:
        """Return whether the call has returned; else it has to have raised one of these."""
        try:
            future.result(LONG)
        except CallTimeout:
            raise
        except BaseException as exc:
            names = [each.__name__ for each in errors]
            in_child = isinstance(exc, calls.ChildError) and str(exc).startswith(tuple(names))
            if not in_child and not isinstance(exc, errors):
                raise
            return False
        finally:
            self.done = [*self.done[-4:], future]
        return True

    def rest_of(self, owner: str, name: str) -> list[Any]:
        if owner:
            found: list[Any] = self.peers[owner].call_within(LONG, calls.rest, name)
            return found
        messages = []
        while True:
            try:
                messages.append(self.factory.mailbox(name).get(0))
            except (TimeoutError, PeerDown):
                return messages

    def mail_for_the_dead(self, owner: str, box: str) -> None:
        with pytest.raises(PeerDown):
            self.peers[owner].send(self.name(box), "lost")
        for name in self.living:
            with pytest.raises(LookupError):
                self.peers[name].call_within(LONG, calls.send, "", owner, self.name(box), ["lost"])

    @step(owner=st.sampled_from(["", *NAMES]), box=st.sampled_from("xy"), rarely=st.integers(0, 3))
    def close_mailbox(self, owner: str, box: str, rarely: int) -> None:
        if rarely or (owner and not self.lives(owner)):
            return
        if owner:
            self.peers[owner].call_within(LONG, calls.close, self.name(box))
        else:
            self.factory.mailbox(self.name(box)).close()
        self.box(owner, box).mail.closed = True
        self.account(owner, box)

    # Barriers

    @step(
        name=st.sampled_from("ab"),
        parties=st.integers(1, 4),
        comers=st.lists(st.tuples(st.sampled_from([TEST, *NAMES]), WAYS), min_size=1, max_size=4),
        other=st.integers(0, 9),
    )
    def meet(self, name: str, parties: int, comers: list[Any], other: int) -> None:
        """Come to a barrier; at the same time if their order does not matter."""
        found = self.barriers.setdefault(name, Barrier())
        came = found.meeting.came
        if came and other:
            parties = found.meeting.parties
        comers = [each for each in comers if each[0] == TEST or self.lives(each[0])]
        living = len(self.living)
        in_turn = living < parties or (came and parties != found.meeting.parties)
        for some in [[each] for each in comers] if in_turn or found.meeting.broken else [comers]:
            begun = [(self.come(name, parties, *each), *each) for each in some]
            self.rest()
            self.have_come(found, parties, begun)

    def come(self, name: str, parties: int, who: str, way: str, limit: Any = None) -> Call:
        name = self.name(name)
        if who == TEST:
            return self.in_test(way, lambda: self.factory.barrier(name, parties, limit))
        call = self.submit(who, way, MEET[way], name, parties, limit)
        call.on = blocked_on(way, f"barrier {name}")
        return call

    def have_come(self, barrier: Barrier, parties: int, begun: list[Any]) -> None:
        """Let them come in the model too, and compare."""
        meeting, comers = barrier.meeting, [*barrier.waiting.values()]
        came = list(meeting.came)
        ended = ""
        for call, who, way in begun:
            party = Party(who, way == "child" and who != TEST, call.ident)
            came.append(party)
            comers.append(call)
            ended = meeting.enter(party, parties, self.living, self.lost) or ended
        if ended == "broken":
            self.check_broken(barrier, comers, came)
            return
        # Which of those that came at the same time have begun the next round is not known.
        until(lambda: sum(not each.future.done() for each in comers) == len(meeting.came))
        until(lambda: all(each.parked() for each in comers if each.peer == TEST))
        assert sum(not each.future.done() for each in comers) == len(meeting.came)
        barrier.waiting = {each.ident: each for each in comers if not each.future.done()}
        meeting.came = [each for each in came if each.call in barrier.waiting]
        for each in comers:
            assert not each.future.done() or self.is_value(each.future, ())

    def check_broken(self, barrier: Barrier, comers: list[Call], came: list[Party]) -> None:
        """Check that all who have come get a BarrierBroken, and that it has their names."""
        barrier.meeting.broken = True
        for call in comers:
            if call.peer != TEST and self.is_gone(call):
                assert not self.is_value(call.future, (PeerDown, BarrierBroken))
                continue
            assert not self.is_value(
                call.future, (BarrierBroken, *[CancelledError] * call.cancelled)
            )
            exc = call.future.exception(0)
            if isinstance(exc, BarrierBroken) and barrier.waiting:
                names = sorted(each.partition(" (process")[0] for each in exc.came)
                assert names == sorted(each.who for each in came)
        barrier.waiting, barrier.meeting.came = {}, []

    @step(name=st.sampled_from("ab"), parties=st.integers(2, 4), who=PEERS, way=WAYS)
    def come_and_wait_too_long(self, name: str, parties: int, who: str, way: str) -> None:
        found = self.barriers.setdefault(name, Barrier())
        who = who if self.lives(who) and way != "child" else TEST
        parties = found.meeting.parties if found.meeting.came else parties
        came = list(found.meeting.came)
        call = self.come(name, parties, who, way, SHORT)
        wait([call.future], LONG)
        self.rest()
        party = Party(who, False, call.ident)
        if found.meeting.enter(party, parties, self.living, self.lost) == "open":
            for each in (*found.waiting.values(), call):
                assert self.is_value(each.future, ())
            found.waiting = {}
        else:
            self.check_broken(found, [*found.waiting.values(), call], [*came, party])

    # Points

    @step(
        peer=PEERS,
        function=st.sampled_from(["work", "awork"]),
        what=st.sampled_from(["hold", "hold", "fail"]),
        at=st.sampled_from(["entry", "entry", "return", "raise"]),
        nth=st.integers(1, 3),
        times=st.integers(1, 2),
        only_even=st.booleans(),
        required=st.booleans(),
    )
    def open_point(self, peer: str, function: str, what: str, **options: Any) -> None:
        if (peer, function) in self.points:
            return
        options["at"] = options["at"] if what == "hold" else "entry"
        place = Place(what, **options)
        when = calls.is_even if place.only_even else None
        every = {"nth": place.nth, "when": when, "required": place.required}
        fn = getattr(calls, function)
        if what == "hold":
            block = self.peers[peer].hold_at(fn, at=place.at, **every)
        else:
            block = self.peers[peer].fail_at(fn, calls.Failed("x"), times=place.times, **every)
        if not self.lives(peer):
            with pytest.raises(PeerDown):
                block.__enter__()
            return
        block.__enter__()
        self.points[peer, function] = Point(block, place)

    @step(
        peer=PEERS,
        function=st.sampled_from(["work", "awork"]),
        works=st.lists(st.tuples(WAYS, st.integers(1, 9)), min_size=1, max_size=4),
        death=DEATHS,
    )
    def work(self, peer: str, function: str, works: list[Any], death: Any) -> None:
        """Call a function at the same time, some of whose calls are held or fail."""
        if not self.lives(peer):
            return
        begun = []
        for way, value in works:
            call = self.submit(peer, way, WORK[function, way], value)
            call.way = "child" if way == "child" else "task" if function == "awork" else "thread"
            call.on = blocked_on(call.way, f"held machine_calls:{function}")
            begun.append((call, value))
        if death is not None and self.lives(death[0]):
            self.end(*death)
        self.rest()
        point = self.points.get((peer, function))
        if not self.lives(peer):
            for call, value in begun:
                self.check_work(call, value, point, dead=True)
            if point is not None:
                point.place.race(sum(point.place.comes(value) for _, value in begun))
        else:
            self.check_meant(point, begun)
        self.expect_ends(death)

    def check_meant(self, point: Point | None, begun: list[Any]) -> None:
        place = point.place if point is not None else None
        come = [call for call, value in begun if place is not None and place.comes(value)]
        meant = place.meant(len(come)) if place is not None else 0
        holds = meant if place is not None and place.what == "hold" else 0
        late = [(call, value) for call, value in begun if not call.future.done()]
        assert len(late) == holds, f"{late} do not end"
        failed = [call for call, value in begun if not self.check_work(call, value, point)]
        assert len(failed) == meant - holds, f"{failed} fail"
        if late:
            assert point is not None
            ((point.held, point.value),) = late
            assert point.held in come
            assert f"value={point.value}" in point.block.wait(LONG) or "(" in point.block.call

    def check_work(self, call: Call, value: int, point: Any, dead: bool = False) -> bool:
        """Check how a call that is not held has ended; return whether no point has failed it."""
        if not dead and not call.future.done():
            return True
        errors: tuple[type[BaseException], ...] = (calls.Unlucky,) if value % 3 == 0 else ()
        errors += (calls.Failed,) if point is not None else ()
        if self.is_value(call.future, (*errors, *[PeerDown] * dead)):
            assert value % 3
            assert call.future.result(0) == value * 2
            return True
        exc = call.future.exception(0)
        return not (isinstance(exc, calls.Failed) or str(exc).startswith("Failed"))

    @step(number=ANY, how=st.sampled_from(["release", "fail", "close", "close", "cancel"]))
    def let_go(self, number: int, how: str) -> None:
        if not self.points:
            return
        key = sorted(self.points)[number % len(self.points)]
        point = self.points[key]
        if how == "close":
            self.close_point(*key)
            return
        if how == "cancel":
            self.cancel_held(point)
        elif point.held is not None:
            held, point.held = point.held, None
            act = point.block.release if how == "release" else point.block.fail
            act(*[calls.Failed("y")] * (how == "fail"))
            self.rest()
            assert held.future.done()
            assert self.check_work(held, point.value, point) == (how == "release")
            with pytest.raises(RuntimeError):
                point.block.fail(calls.Failed("z"))
        elif point.place.what == "hold":
            self.let_go_nobody(point, key[0])

    def let_go_nobody(self, point: Point, peer: str) -> None:
        if point.place.reached_here or point.place.perhaps_here:
            return
        error: Any = RuntimeError if self.lives(peer) else (RuntimeError, PeerDown)
        with pytest.raises(error):
            point.block.release()
        with pytest.raises(PointNotReached if self.lives(peer) else PeerDown):
            point.block.wait(SHORT)

    def cancel_held(self, point: Point) -> None:
        held = point.held
        if held is None:
            return
        held.future.cancel()
        self.rest()
        if held.way == "task":
            point.held = None
            assert not self.is_value(held.future, (CancelledError,))
        else:
            assert not held.future.done()

    def close_point(self, peer: str, target: str) -> None:
        point = self.points.pop((peer, target))
        try:
            point.block.__exit__(None, None, None)
        except PointNotReached:
            assert point.place.required and not point.place.reached
        else:
            assert point.place.reached or point.place.perhaps or not point.place.required
        if point.held is not None:
            self.rest()
            assert point.held.future.done()
            assert self.check_work(point.held, point.value, point)

    @step(first=PEERS, then=PEERS, death=DEATHS)
    def order(self, first: str, then: str, death: Any) -> None:
        """Let one call through after another, or let one of the two die."""
        if first == then or not (self.lives(first) and self.lives(then)):
            return
        before, after = self.peers[first], self.peers[then]
        block = self.factory.order(
            before.point(calls.first, at="return"), after.point(calls.second, required=False)
        )
        block.__enter__()
        held = after.submit(calls.second, 1)
        self.rest()
        assert not held.done()
        if death is not None and self.lives(death[0]):
            self.die(*death)
        if self.lives(first):
            assert before.call_within(LONG, calls.first, 2) == 2
            assert self.is_value(held, () if self.lives(then) else (PeerDown,)) == self.lives(then)
            block.__exit__(None, None, None)
        else:
            assert not held.done()
            with pytest.raises(PointNotReached):
                block.__exit__(None, None, None)
            assert self.is_value(held, ())

    # Siblings and marks

    @step(
        asker=PEERS, other=PEERS, way=st.sampled_from(["thread", "task"]), value=st.integers(1, 9)
    )
    def ask(self, asker: str, other: str, way: str, value: int) -> None:
        if not self.lives(asker):
            return
        ask = calls.aask if way == "task" else calls.ask
        future = self.peers[asker].submit(ask, "", other, calls.echo, value)
        if self.lives(other):
            assert future.result(LONG) == value
        else:
            with pytest.raises(LookupError, match=other):
                future.result(LONG)

    # Deaths

    @step(peer=PEERS, how=st.sampled_from(HOW))
    def death(self, peer: str, how: str) -> None:
        if self.lives(peer):
            self.die(peer, how)

    def die(self, peer: str, how: str) -> None:
        self.end(peer, how)
        self.expect_ends((peer, how))

    @step(peer=PEERS)
    def restart(self, peer: str) -> None:
        was_there = self.lives(peer)
        self.peers[peer].restart()
        if was_there:
            self.lost.discard(peer)
            self.expect_end_of(peer, self.living)
        for (each, _), point in self.points.items():
            if each == peer:
                point.held = None
                point.place.begin_anew()
        self.rest()

    def end(self, peer: str, how: str) -> None:
        """Let a peer end, and return when it is down."""
        found = self.peers[peer]
        self.lost.discard(peer)
        if how in ("kill", "stop"):
            getattr(found, how)()
        elif how == "signal":
            os.kill(found.pid, signal.SIGKILL)
        else:
            fn, *args = ("os:_exit", 3) if how == "exit" else ("os:abort",)
            with pytest.raises(PeerDown):
                found.submit(fn, *args).result(LONG)
        if how not in ("kill", "stop"):
            self.lost.add(peer)
        found.wait_down(LONG)

    def expect_ends(self, death: Any) -> None:
        """Check all that waits for a peer that has died."""
        if death is not None and not self.lives(death[0]):
            self.expect_end_of(death[0], self.living)

    def expect_end_of(self, peer: str, living: set[str]) -> None:
        self.rest()
        for point in [point for (each, _), point in self.points.items() if each == peer]:
            if point.held is not None:
                assert not self.is_value(point.held.future, (PeerDown,))
            point.held = None
        for barrier in self.barriers.values():
            came = list(barrier.meeting.came)
            if barrier.meeting.ended(peer, living) and barrier.waiting:
                self.check_broken(barrier, list(barrier.waiting.values()), came)
        for owner, box in list(self.boxes):
            if owner == peer:
                self.account_of_the_dead(self.boxes.pop((owner, box)), ())
            elif not owner or any(taker.peer == peer for taker in self.boxes[owner, box].takers):
                self.account(owner, box)

    # Facts

    @step(number=ANY)
    def wait_blocked(self, number: int) -> None:
        """Ask of a call that waits, and of one that has ended."""
        every = [each for each in self.waiting() if each.peer != TEST and not each.cancelled]
        if every:
            call = every[number % len(every)]
            assert call.future.wait_blocked(LONG).on.startswith(call.on)
        peers = [each for each in self.done if hasattr(each, "wait_blocked")]
        if peers:
            with pytest.raises(NotBlocked, match=r"has returned|has raised|was cancelled"):
                peers[number % len(peers)].wait_blocked(LONG)

    @step()
    def deadlock(self) -> None:
        if not any(each.inner for each in self.waiting()):
            assert self.factory.deadlock() is None

    @invariant()
    def nobody_goes_early(self) -> None:
        with self.telling():
            for each in self.waiting():
                assert not each.future.done() or each.cancelled, f"{each} has ended"

    def teardown(self) -> None:
        try:
            if not self.failed:
                with self.telling():
                    self.finish()
        finally:
            for peer in self.peers.values():
                peer.kill()

    def finish(self) -> None:
        for key in list(self.points):
            self.close_point(*key)
        for owner, box in list(self.boxes):
            self.account(owner, box)
        for name in self.living:
            self.peers[name].stop()
        for each in self.waiting():
            errors = (PeerDown, BarrierBroken, LookupError, CancelledError)
            assert not self.is_value(each.future, errors)


def blocked_on(way: str, word: str) -> tuple[str, ...]:
    if way == "child":
        return ("read pipe",)
    return (word, "lock") if way == "thread" else (word,)


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, "it hangs"
        time.sleep(0.0005)


def is_parked(thread: threading.Thread) -> bool:
    """Return whether a thread of this process waits, and not for the GIL."""
    before = switches(thread)
    for _ in range(4):
        time.sleep(0.003)
        if not before or switches(thread) != before:
            return False
    return True


def switches(thread: threading.Thread) -> str:
    """Return how often it has waited; nothing if it runs."""
    try:
        with open(f"/proc/self/task/{thread.native_id}/status") as file:
            lines = file.read().splitlines()
    except OSError:
        return ""
    asleep = any(line.startswith("State:") and "S (" in line for line in lines)
    return "".join(line for line in lines if "ctxt_switches" in line) if asleep else ""


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has `settle`")
@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", range(ROUNDS))
def test_choreography_at_random(peer_factory: Any, number: int) -> None:
    class Choreography(Machine):
        factory = peer_factory

    seed = int(SEED) if SEED else random.SystemRandom().getrandbits(64)
    print("PEER_MACHINE_SEED =", seed)
    settings = hypothesis.settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate, *[Phase.shrink] * bool(SEED)],
    )
    test = get_state_machine_test(Choreography, settings=settings)
    # Here `hypothesis.reproduce_failure(...)(test)` for one that it has printed.
    hypothesis.seed(seed)(test)()
