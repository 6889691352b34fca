"""Mailboxes, barriers, points, siblings and deaths at random, against a model of them.

Nothing may hang, no message be lost or doubled, nobody be let go early; what fails has to fail with
the documented error. What is expected is in `machine_model`, and in the modules that use it.

A run has a few examples, always the same ones. For new ones, for half an hour::

    PEER_MACHINE_SECONDS=1800 tests/run tests/robustness/test_choreography_machine.py -s

A failure shows all that was done in its example, and its seed: ``PEER_MACHINE_SEED=...`` draws the
same again, though a race may have another end then.
"""

from __future__ import annotations

import functools
import os
import random
import sys
import time
from typing import Any, ClassVar

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
from machine_barriers import Barriers
from machine_boxes import Boxes
from machine_model import TEST
from machine_points import SHORT, Points
from machine_world import ASKED, NAMES, UNASKED, Call, World
from timeouts import LONG

from pytest_peer import NotBlocked, PeerDown

#: More are for a night.
SECONDS = float(os.environ.get("PEER_MACHINE_SECONDS", "0"))
SEED = int(os.environ.get("PEER_MACHINE_SEED", "0"))
#: Of a round.
EXAMPLES, STEPS = 30, 40

PEERS = st.sampled_from(NAMES)
OWNERS = st.sampled_from(["", *NAMES])
PARTIES = st.sampled_from([TEST, *NAMES])
FUNCTIONS = st.sampled_from(["work", "awork"])
WAYS = st.sampled_from(["thread", "task", "child"])
HOW = [*ASKED, *UNASKED]
#: Who dies meanwhile, and how; mostly nobody.
DEATHS = st.sampled_from([None] * 120 + [(name, how) for name in NAMES for how in HOW])
#: One of those that there are.
ANY = st.integers(0, 63)

SENDS = st.tuples(st.just("send"), PARTIES, WAYS, st.integers(1, 8))
TAKES = st.tuples(
    *(st.just("take"), st.sampled_from(["", "", *NAMES]), WAYS, WAYS),
    st.sampled_from([None, None, None, 0, SHORT]),
)
CANCELS = st.tuples(st.just("cancel"), ANY)
ACTS = st.lists(st.one_of(SENDS, TAKES, CANCELS), min_size=1, max_size=8)
COMERS = st.lists(st.tuples(PARTIES, WAYS), min_size=1, max_size=4)
WORKS = st.lists(st.tuples(WAYS, st.integers(1, 9)), min_size=1, max_size=4)


class Figures:
    """What machines of one class have done, and the first failure, with the steps before it."""

    def __init__(self) -> None:
        self.examples = self.steps = 0
        self.failure: BaseException | None = None
        self.failed_at = 0


def step(fn: Any) -> Any:
    """Let a failure tell of it and of what was done before.

    Hypothesis runs an example that has failed again. As a race may have another end then, nothing is
    done any more but to fail at the same place.
    """

    @functools.wraps(fn)
    def wrapper(self: Machine, **drawn: Any) -> None:
        figures = self.figures
        self.number += 1
        if figures.failure is not None:
            if self.number == figures.failed_at:
                raise figures.failure
            return
        if drawn or fn.__name__ == "deadlock":
            self.journal.append(f"{fn.__name__} {drawn}")
            figures.steps += 1
        try:
            fn(self, **drawn)
        except BaseException as exc:
            exc.add_note("\n  ".join(["What was done:", *self.journal]))
            figures.failure, figures.failed_at = exc, self.number
            raise

    return wrapper


class Machine(RuleBasedStateMachine):
    """Each rule is something that a test may do."""

    factory: Any
    figures: ClassVar[Figures]
    example: ClassVar[int] = 0  # the last one of all rounds

    def __init__(self) -> None:
        super().__init__()
        self.number = 0
        self.journal: list[str] = []
        Machine.example += 1
        self.figures.examples += self.figures.failure is None
        self.world = World(self.factory, Machine.example)
        self.boxes = Boxes(self.world)
        self.barriers = Barriers(self.world)
        self.points = Points(self.world)

    @initialize()
    @step
    def start_peers(self) -> None:
        self.world.begin()

    # Mailboxes

    @rule(owner=OWNERS, box=st.sampled_from("xy"), acts=ACTS, death=DEATHS)
    @step
    def send_and_take(self, owner: str, box: str, acts: list[Any], death: Any) -> None:
        death = self.of_the_living(death)
        self.boxes.send_and_take(owner, box, acts, lambda: self.end(death))
        self.expect_end(death)

    @rule(owner=OWNERS, box=st.sampled_from("xy"), rarely=st.integers(0, 3))
    @step
    def close_a_mailbox(self, owner: str, box: str, rarely: int) -> None:
        if not rarely:
            self.boxes.close(owner, box)

    # Barriers

    @rule(
        name=st.sampled_from("ab"),
        parties=st.integers(1, 4),
        comers=COMERS,
        mostly=st.integers(0, 9),
    )
    @step
    def meet(self, name: str, parties: int, comers: list[Any], mostly: int) -> None:
        self.barriers.meet(name, parties, comers, bool(mostly))

    @rule(name=st.sampled_from("ab"), parties=st.integers(2, 4), who=PEERS, way=WAYS)
    @step
    def come_and_wait_too_long(self, name: str, parties: int, who: str, way: str) -> None:
        self.barriers.come_and_wait_too_long(name, parties, who, way, SHORT)

    # Points

    @rule(
        peer=PEERS,
        function=FUNCTIONS,
        works=WORKS,
        what=st.sampled_from(["hold", "hold", "hold", "fail"]),
        at=st.sampled_from(["entry", "entry", "entry", "return", "raise"]),
        nth=st.sampled_from([1, 1, 2, 3]),
        times=st.integers(1, 2),
        only_even=st.sampled_from([False, False, True]),
        required=st.booleans(),
    )
    @step
    def call_with_a_point(
        self, peer: str, function: str, works: list[Any], what: str, **options: Any
    ) -> None:
        self.points.open(peer, function, what, **options)
        self.points.work(peer, function, works, lambda: None)

    @rule(peer=PEERS, function=FUNCTIONS, number=ANY, works=WORKS, death=DEATHS)
    @step
    def call_where_a_point_may_be(
        self, peer: str, function: str, number: int, works: list[Any], death: Any
    ) -> None:
        death = self.of_the_living(death)
        peer, function = self.points.one_that_lives(number) or (peer, function)
        self.points.work(peer, function, works, lambda: self.end(death))
        self.expect_end(death)

    @rule(number=ANY, how=st.sampled_from(["release", "fail", "close", "close", "cancel"]))
    @step
    def let_go(self, number: int, how: str) -> None:
        self.points.let_go(number, how)

    @rule(first=PEERS, then=PEERS, death=DEATHS)
    @step
    def order_two_calls(self, first: str, then: str, death: Any) -> None:
        death = self.of_the_living(death)
        self.points.order(first, then, lambda: self.end(death))
        self.expect_end(death)

    # Siblings

    @rule(
        asker=PEERS, other=PEERS, way=st.sampled_from(["thread", "task"]), value=st.integers(1, 9)
    )
    @step
    def ask_a_sibling(self, asker: str, other: str, way: str, value: int) -> None:
        if not self.world.lives(asker):
            return
        ask = calls.aask if way == "task" else calls.ask
        future = self.world.peers[asker].submit(ask, "", other, calls.echo, value)
        if self.world.lives(other):
            assert future.result(LONG) == value
        else:
            with pytest.raises(LookupError, match=other):
                future.result(LONG)

    # Deaths

    @rule(peer=PEERS, how=st.sampled_from(HOW), rarely=st.integers(0, 3))
    @step
    def let_die(self, peer: str, how: str, rarely: int) -> None:
        death = None if rarely else self.of_the_living((peer, how))
        self.end(death)
        self.expect_end(death)

    @rule(peer=PEERS)
    @step
    def restart(self, peer: str) -> None:
        if self.world.restart(peer):
            self.expect_end_of(peer)
        self.points.restarted(peer)
        self.world.rest()

    def of_the_living(self, death: Any) -> Any:
        return death if death is not None and self.world.lives(death[0]) else None

    def end(self, death: Any) -> None:
        if death is not None:
            self.world.end(*death)

    def expect_end(self, death: Any) -> None:
        """Check all that waits for a peer that has died, unless something else prevented that."""
        if death is not None and not self.world.lives(death[0]):
            self.expect_end_of(death[0])

    def expect_end_of(self, peer: str) -> None:
        self.world.rest()
        self.points.ended(peer)
        self.barriers.ended(peer, self.world.living)
        self.boxes.ended(peer)

    # Facts

    @rule(number=ANY)
    @step
    def wait_blocked(self, number: int) -> None:
        """Ask of a call that waits, and of one that has ended."""
        every = [each for each in self.waiting() if each.peer != TEST and not each.cancelled]
        if every:
            call = every[number % len(every)]
            assert call.future.wait_blocked(LONG).on.startswith(call.on)
        ended = [each for each in self.world.done if hasattr(each, "wait_blocked")]
        if ended:
            with pytest.raises(NotBlocked, match=r"has returned|has raised|was cancelled"):
                ended[number % len(ended)].wait_blocked(LONG)

    @rule()
    @step
    def deadlock(self) -> None:
        if not any(each.inner for each in self.waiting()):
            assert self.world.factory.deadlock() is None

    @invariant()
    @step
    def nobody_goes_early(self) -> None:
        for each in self.waiting():
            assert not each.future.done() or each.cancelled, f"{each} has ended"

    def waiting(self) -> list[Call]:
        """Return all calls that wait and have a future."""
        return [*self.boxes.waiting(), *self.barriers.waiting(), *self.points.waiting()]

    def teardown(self) -> None:
        try:
            self.finish()
        finally:
            for peer in self.world.peers.values():
                peer.kill()

    @step
    def finish(self) -> None:
        self.points.close_all()
        self.boxes.account_for_all()
        for name in self.world.living:
            self.world.peers[name].stop()
            self.barriers.ended(name, self.world.living)
        self.barriers.open_all()
        for each in self.waiting():
            assert not self.world.is_value(each.future, (PeerDown, LookupError))


def run_a_round(factory: Any, seed: int) -> Figures:
    class Choreography(Machine):
        figures = Figures()

    Choreography.factory = factory
    settings = hypothesis.settings(
        max_examples=EXAMPLES,
        stateful_step_count=STEPS,
        deadline=None,
        database=None,
        print_blob=False,
        suppress_health_check=list(HealthCheck),
        phases=[Phase.generate],
    )
    print("PEER_MACHINE_SEED =", seed)
    hypothesis.seed(seed)(get_state_machine_test(Choreography, settings=settings))()
    return Choreography.figures


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has `settle`")
@pytest.mark.timeout(900 + SECONDS)
def test_choreography_at_random(peer_factory: Any) -> None:
    until, examples, steps = time.monotonic() + SECONDS, 0, 0
    while True:
        figures = run_a_round(peer_factory, random.getrandbits(64) if SECONDS else SEED)
        examples, steps = examples + figures.examples, steps + figures.steps
        print(f"{examples} examples, {steps} steps")
        if time.monotonic() >= until:
            break
