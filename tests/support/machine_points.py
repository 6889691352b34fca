"""The points of the state machine of choreography: which calls are held, or fail, and until when."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import CancelledError
from dataclasses import dataclass
from typing import Any

import machine_calls as calls
import pytest
from machine_model import Place
from machine_world import Call, Errors, World, blocked_on
from timeouts import LONG

from pytest_peer import PeerDown, PointNotReached

WORK: dict[tuple[str, str], Callable[..., Any]] = {
    ("work", "thread"): calls.do_work,
    ("work", "task"): calls.do_work,  # a thread would be held with its event loop
    ("work", "child"): calls.child_does_work,
    ("awork", "thread"): calls.ado_work,
    ("awork", "task"): calls.ado_work,
    ("awork", "child"): calls.child_does_awork,
}
#: For what must not come.
SHORT = 0.01


@dataclass(eq=False)
class Point:
    block: Any
    place: Place
    held: Call | None = None
    value: int = 0


class Points:
    """The points of an example, by their peers and functions."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._points: dict[tuple[str, str], Point] = {}

    def waiting(self) -> list[Call]:
        """Return the calls that are held."""
        return [each.held for each in self._points.values() if each.held is not None]

    def open(self, peer: str, function: str, what: str, **options: Any) -> None:
        """Begin the block of a point, unless there is one."""
        if (peer, function) in self._points:
            return
        options["at"] = options["at"] if what == "hold" else "entry"
        place = Place(what, **options)
        when = calls.is_even if place.only_even else None
        every = {"nth": place.nth, "when": when, "required": place.required}
        fn, found = getattr(calls, function), self._world.peers[peer]
        if what == "hold":
            block = found.hold_at(fn, at=place.at, **every)
        else:
            block = found.fail_at(fn, calls.Failed("x"), times=place.times, **every)
        if not self._world.lives(peer):
            with pytest.raises(PeerDown):
                block.__enter__()
            return
        block.__enter__()
        self._points[peer, function] = Point(block, place)

    def one_that_lives(self, number: int) -> tuple[str, str] | None:
        """Return peer and function of one of those in living peers, mostly."""
        lives = [key for key in sorted(self._points) if self._world.lives(key[0])]
        return lives[number % len(lives)] if lives and number % 8 else None

    def work(
        self, peer: str, function: str, works: list[Any], meanwhile: Callable[[], object]
    ) -> None:
        """Call the function several times at once, and see which calls are held, or fail."""
        if not self._world.lives(peer):
            return
        begun = []
        for way, value in works:
            call = self._world.submit(peer, way, WORK[function, way], value)
            call.way = "child" if way == "child" else "task" if function == "awork" else "thread"
            call.on = blocked_on(call.way, f"held machine_calls:{function}")
            begun.append((call, value))
        meanwhile()
        self._world.rest()
        point = self._points.get((peer, function))
        if self._world.lives(peer):
            self._check_meant(point, begun)
            return
        for call, value in begun:
            self._check_work(call, value, point, dead=True)
        if point is not None:
            point.place.race(sum(point.place.comes(value) for _, value in begun))

    def let_go(self, number: int, how: str) -> None:
        """Let go what one of the points holds: by its release, a failure, or the block's end."""
        if not self._points:
            return
        key = sorted(self._points)[number % len(self._points)]
        point = self._points[key]
        if how == "close":
            self._close(*key)
        elif how == "cancel":
            self._cancel(point)
        elif point.held is not None:
            held, point.held = point.held, None
            act = point.block.release if how == "release" else point.block.fail
            act(*[calls.Failed("y")] * (how == "fail"))
            self._world.rest()
            assert held.future.done()
            assert self._check_work(held, point.value, point) == (how == "release")
            with pytest.raises(RuntimeError):
                point.block.fail(calls.Failed("z"))
        elif point.place.what == "hold":
            self._let_go_nobody(point, key[0])

    def close_all(self) -> None:
        for key in list(self._points):
            self._close(*key)

    def ended(self, peer: str) -> None:
        """Check that what was held in a peer that has ended is held no more."""
        for (each, _), point in self._points.items():
            if each == peer:
                held, point.held = point.held, None
                assert held is None or not self._world.is_value(held.future, (PeerDown,))

    def restarted(self, peer: str) -> None:
        for (each, _), point in self._points.items():
            if each == peer:
                point.place.begin_anew()

    def order(self, first: str, then: str, meanwhile: Callable[[], object]) -> None:
        """Let one call through after another, or let one of the two peers die."""
        world = self._world
        if first == then or not (world.lives(first) and world.lives(then)):
            return
        before, after = world.peers[first], world.peers[then]
        block = world.factory.order(
            before.point(calls.first, at="return"), after.point(calls.second, required=False)
        )
        block.__enter__()
        held = after.submit(calls.second, 1)
        world.rest()
        assert not held.done()
        meanwhile()
        if world.lives(first):
            assert before.call_within(LONG, calls.first, 2) == 2
            lives = world.lives(then)
            assert world.is_value(held, () if lives else (PeerDown,)) == lives
            block.__exit__(None, None, None)
        else:
            assert not held.done()
            with pytest.raises(PointNotReached):
                block.__exit__(None, None, None)
            assert world.is_value(held, ())

    def _check_meant(self, point: Point | None, begun: list[Any]) -> None:
        place = point.place if point is not None else None
        come = [call for call, value in begun if place is not None and place.comes(value)]
        meant = place.meant(len(come)) if place is not None else 0
        holds = meant if place is not None and place.what == "hold" else 0
        late = [(call, value) for call, value in begun if not call.future.done()]
        assert len(late) == holds, f"{late} do not end"
        failed = [call for call, value in begun if not self._check_work(call, value, point)]
        assert len(failed) == meant - holds, f"{failed} fail"
        if late:
            assert point is not None
            ((point.held, point.value),) = late
            assert point.held in come
            assert f"value={point.value}" in point.block.wait(LONG) or "(" in point.block.call

    def _check_work(self, call: Call, value: int, point: Any, dead: bool = False) -> bool:
        """Check how a call that is not held has ended; return whether no point has failed it."""
        if not dead and not call.future.done():
            return True
        errors: Errors = (calls.Unlucky,) if value % 3 == 0 else ()
        errors += (calls.Failed,) if point is not None else ()
        if self._world.is_value(call.future, (*errors, *[PeerDown] * dead)):
            assert value % 3
            assert call.future.result(0) == value * 2
            return True
        exc = call.future.exception(0)
        return not (isinstance(exc, calls.Failed) or str(exc).startswith("Failed"))

    def _let_go_nobody(self, point: Point, peer: str) -> None:
        if point.place.reached_here or point.place.perhaps_here:
            return
        lives = self._world.lives(peer)
        with pytest.raises(RuntimeError if lives else (RuntimeError, PeerDown)):
            point.block.release()
        with pytest.raises(PointNotReached if lives else PeerDown):
            point.block.wait(SHORT)

    def _cancel(self, point: Point) -> None:
        held = point.held
        if held is None:
            return
        held.future.cancel()
        self._world.rest()
        if held.way == "task":
            point.held = None
            assert not self._world.is_value(held.future, (CancelledError,))
        else:
            assert not held.future.done()

    def _close(self, peer: str, function: str) -> None:
        point = self._points.pop((peer, function))
        try:
            point.block.__exit__(None, None, None)
        except PointNotReached:
            assert point.place.required
            assert not point.place.reached
        else:
            assert point.place.reached or point.place.perhaps or not point.place.required
        if point.held is not None:
            self._world.rest()
            assert point.held.future.done()
            assert self._check_work(point.held, point.value, point)
