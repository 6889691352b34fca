"""Points, what is held at them, deaths and restarts, at random: nothing hangs, nothing goes early."""

from __future__ import annotations

import os
import random
import sys
from concurrent.futures import CancelledError, wait

import held_store
import pytest
from timeouts import LONG

from pytest_peer import PeerDown

#: More are for a night: ``PEER_POINT_ROUNDS=10000``.
ROUNDS = int(os.environ.get("PEER_POINT_ROUNDS", "40"))
KINDS = ["function", "method", "closure", "generator", "coroutine", "asynchronous generator"]


class Full(Exception):
    """What held calls are told to raise."""


def trace_of_points():
    held = getattr(sys.modules.get("pytest_peer_agent.agent.points"), "held", list)()
    return [held_store.state(held_store.KINDS[kind][0]) for kind in KINDS], held


class Round:
    """One point, and some calls at the same time, of which one is held."""

    def __init__(self, peer, draw):
        self.peer = peer
        self.draw = draw
        self.target, self.caller = held_store.KINDS[draw.choice(KINDS)]
        self.count = draw.randint(1, 4)
        self.expected = [peer.call(f"held_store:{self.caller}", each) for each in range(self.count)]

    def run(self):
        at = self.draw.choice(["entry", "return"])
        nth = self.draw.randint(1, self.count)
        with self.peer.hold_at(f"held_store:{self.target}", at=at, nth=nth) as point:
            calls = self.begin()
            point.wait(LONG)
            held = self.check_one_is_held(calls)
            end = self.draw.choice([self.release, self.fail, self.kill, self.restart, self.cancel])
            end(point, held, calls[held])
        if end == self.release:
            assert calls[held].result(LONG) == self.expected[held]
        assert wait(calls, LONG).not_done == set()

    def begin(self):
        return [self.peer.submit(f"held_store:{self.caller}", each) for each in range(self.count)]

    def check_one_is_held(self, calls):
        others = set(calls)
        while len(others) > 1:
            done, others = wait(others, LONG, "FIRST_COMPLETED")
            assert done
        (held,) = [number for number, call in enumerate(calls) if call in others]
        for number, call in enumerate(calls):
            assert number == held or call.result(LONG) == self.expected[number]
        self.peer.call("builtins:abs", 1)
        assert not calls[held].done()
        return held

    def release(self, point, held, call):
        if self.draw.random() < 0.5:  # else the end of the block does it
            point.release()
            assert call.result(LONG) == self.expected[held]

    def fail(self, point, held, call):
        point.fail(Full(held))
        with pytest.raises(Full, match=str(held)):
            call.result(LONG)

    def kill(self, _point, _held, call):
        self.peer.kill()
        with pytest.raises(PeerDown):
            call.result(LONG)

    def restart(self, point, _held, call):
        self.peer.restart()
        with pytest.raises(PeerDown):
            call.result(LONG)
        again = self.begin()
        point.wait(LONG)
        held = self.check_one_is_held(again)
        self.release(point, held, again[held])

    def cancel(self, point, held, call):
        call.cancel()
        if self.target in ("triple", "astream"):
            with pytest.raises(CancelledError):
                call.result(LONG)
        else:
            point.release()
            assert call.result(LONG) == self.expected[held]


@pytest.mark.timeout(60 + ROUNDS)
def test_points_at_random(peer_factory):
    seed = random.randrange(1 << 32)
    print("seed", seed)
    draw = random.Random(seed)
    peer = peer_factory(peer_down="continue")
    for number in range(ROUNDS):
        print("round", number)
        if peer.state == "down":
            peer.restart()
        pid, before = peer.pid, peer.call(trace_of_points)
        Round(peer, draw).run()
        if (peer.state, peer.pid) == ("running", pid):
            assert peer.call(trace_of_points) == before
