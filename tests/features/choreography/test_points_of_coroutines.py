"""A held coroutine does not hold its event loop."""

from __future__ import annotations

from concurrent.futures import CancelledError

import pytest
from held_store import triple
from pythons import NEWEST
from timeouts import LONG

from pytest_peer import PointNotReached


@pytest.fixture(scope="module", params=["this", "3.8", "3.9", "3.12", NEWEST])
def old(request, module_peer_factory, requires_python):
    """A peer of each version."""
    exec_ = {} if request.param == "this" else {"exec": requires_python(request.param)}
    return module_peer_factory(**exec_)


@pytest.mark.parametrize("at", ["entry", "return"])
def test_other_coroutines_of_the_loop_go_on(old, at):
    with old.hold_at("held_store:triple", at=at) as point:
        held = old.submit("held_store:triple", 1)
        point.wait(LONG)
        assert old.call("held_store:triple", 2) == 6
        assert not held.done()
        point.release()
        assert held.result(LONG) == 3


def test_stream_is_held_without_its_loop(old):
    with old.hold_at("held_store:astream") as point:
        held = old.submit("held_store:consumed", 1)
        point.wait(LONG)
        assert old.call("held_store:consumed", 5) == [5, 6]
        point.release()
        assert held.result(LONG) == [1, 2]


def test_held_coroutine_can_be_cancelled(old):
    with old.hold_at("held_store:triple") as point:
        held = old.submit("held_store:triple", 1)
        point.wait(LONG)
        held.cancel()
        with pytest.raises(CancelledError):
            held.result(LONG)
        assert old.call("held_store:triple", 2) == 6


def test_end_of_the_block_lets_the_coroutine_go(old):
    with old.hold_at("held_store:triple") as point:
        held = old.submit("held_store:triple", 1)
        point.wait(LONG)
    assert held.result(LONG) == 3


def test_stream_passes_on_what_it_is_sent(old):
    with old.hold_at("held_store:echo", nth=2, required=False):
        assert old.call("held_store:talk_to_echo") == [1, "two", "KeyError", "closed"]


def test_task_of_trio_is_held_without_its_loop(shared):
    pytest.importorskip("trio")
    with shared.hold_at(triple_in_trio) as point:
        held = shared.submit(beside_each_other)
        point.wait(LONG)
        shared.stdout.wait_for("the other is done", LONG)
        point.release()
        assert held.result(LONG) == 3


async def triple_in_trio(value):
    return value * 3


def beside_each_other():
    import trio

    async def other():
        await trio.sleep(0)
        print("the other is done")

    async def main():
        async with trio.open_nursery() as nursery:
            nursery.start_soon(other)
            return await triple_in_trio(1)

    return trio.run(main)


def test_wait_for_a_coroutine_can_be_too_short(shared):
    with shared.hold_at(triple, required=False) as point, pytest.raises(PointNotReached):
        point.wait(0.01)
