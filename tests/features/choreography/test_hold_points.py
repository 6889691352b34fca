"""`Peer.hold_at` holds a call of a function while its block lasts."""

from __future__ import annotations

import asyncio
import os
import sys
import threading

import held_store
import pytest
from held_store import double
from timeouts import LONG, SOON

from pytest_peer import CallTimeout, PeerDown, PointNotReached

AGENTS = "pytest_peer_agent.agent.points"


def is_none(value, *_):
    return value is None


def zero_division(*_):
    raise ZeroDivisionError("in when")


def loaded(name):
    return name in sys.modules


def double_in_turn(values):
    return [double(value) for value in values]


def test_end_of_the_block_lets_the_call_go(shared):
    with shared.hold_at(double) as point:
        held = shared.submit(double, 1)
        point.wait(LONG)
    assert held.result(LONG) == 2


def test_exception_that_leaves_the_block_lets_the_call_go(shared):
    with pytest.raises(KeyError, match="first"), shared.hold_at(double) as point:
        held = shared.submit(double, 1)
        point.wait(LONG)
        raise KeyError("first")
    assert held.result(LONG) == 2


def test_only_the_nth_call_is_held(shared):
    with shared.hold_at(double, nth=2) as point:
        assert shared.call(double, 1) == 2
        held = shared.submit(double, 2)
        assert point.wait(LONG) == point.call == "double(value=2)"
        assert shared.call(double, 3) == 6
        point.release()
        assert held.result(LONG) == 4


def test_calls_that_when_refuses_do_not_count(shared):
    with shared.hold_at(double, when=lambda value: value > 5, nth=2) as point:
        assert shared.call(double_in_turn, [1, 6, 2]) == [2, 12, 4]
        held = shared.submit(double, 7)
        assert point.wait(LONG) == "double(value=7)"
        point.release()
        assert held.result(LONG) == 14


def test_held_call_can_return_before_its_caller_goes_on(shared):
    with shared.hold_at(double, at="return") as point:
        held = shared.submit(double, 1)
        point.wait(LONG)
        point.release()
        assert held.result(LONG) == 2


def test_kill_while_a_call_is_held(peer):
    with peer.hold_at(double) as point:
        held = peer.submit(double, 1)
        point.wait(LONG)
        peer.kill()
        with pytest.raises(PeerDown):
            held.result(LONG)
        with pytest.raises(PeerDown):
            point.release()
    assert str(peer.down_reason) == "killed by SIGKILL"


@pytest.mark.parametrize("timeout", [LONG, None])
def test_death_ends_a_wait_at_once(mortal, timeout):
    with pytest.raises(PeerDown, match="exited with status 3"), mortal.hold_at(double) as point:
        mortal.cast(os._exit, 3)
        point.wait(timeout)


def test_next_life_has_the_point_too(peer):
    with peer.hold_at(double) as point:
        peer.submit(double, 1)
        point.wait(LONG)
        peer.restart()
        held = peer.submit(double, 2)
        assert point.wait(LONG) == "double(value=2)"
        point.release()
        assert held.result(LONG) == 4
    assert peer.call(double, 3) == 6


def test_next_life_after_the_block_has_no_point(peer):
    with peer.hold_at(double, required=False):
        pass
    peer.restart()
    assert peer.call(loaded, AGENTS) is False


def test_next_life_has_the_point_behind_its_setup(peer_factory):
    peer = peer_factory(setup=held_store.size_of_a_store)
    with peer.hold_at("held_store:Store.size", required=False):
        peer.restart()


def test_wait_ends_with_what_the_peer_does(shared):
    with shared.hold_at(double, required=False) as point:
        with pytest.raises(TimeoutError, match="no call came to the entry of held_store:double"):
            point.wait(0.01)
        with pytest.raises(AssertionError, match="waits for a call") as caught:
            point.wait(0.01)
        assert "MainThread" in caught.value.stacks


def test_point_that_is_never_reached_fails_at_the_end(shared):
    with (
        pytest.raises(PointNotReached, match="1 calls, 1 came there, nth is 2"),
        shared.hold_at(double, nth=2),
    ):
        shared.call(double, 1)
    with (
        pytest.raises(PointNotReached, match="of 1 calls, `when` refused 1, 0 came there"),
        shared.hold_at(double, when=is_none),
    ):
        shared.call(double, 1)


def test_failure_of_the_block_is_not_hidden_by_the_point(shared):
    with pytest.raises(KeyError, match="mine"), shared.hold_at(double):
        raise KeyError("mine")


def test_point_that_is_not_required_may_be_missed(shared):
    with shared.hold_at(double, required=False):
        pass


def test_what_when_raises_ends_a_wait(shared):
    with shared.hold_at(double, when=zero_division, required=False) as point:
        assert shared.call(double, 1) == 2
        with pytest.raises(ZeroDivisionError, match="in when") as caught:
            point.wait(LONG)
    assert "zero_division" in [step.name for step in caught.traceback]


def test_what_when_raises_fails_at_the_end_of_the_block(shared):
    with (
        pytest.raises(ZeroDivisionError, match="in when"),
        shared.hold_at(double, when=zero_division, required=False),
    ):
        shared.call(double, 1)


def test_release_is_an_error_before_a_call_is_held(shared):
    with (
        shared.hold_at(double, required=False) as point,
        pytest.raises(RuntimeError, match="no call is held at the entry of held_store:double"),
    ):
        point.release()


def test_second_release_does_nothing(shared):
    with shared.hold_at(double) as point:
        held = shared.submit(double, 1)
        point.wait(LONG)
        point.release()
        point.release()
        assert held.result(LONG) == 2
        with pytest.raises(RuntimeError, match="goes on already"):
            point.fail(KeyError)


def test_several_points_in_a_function_are_passed_in_order(shared):
    with shared.hold_at(double) as first, shared.hold_at(double) as second:
        held = shared.submit(double, 1)
        first.wait(LONG)
        with pytest.raises(PointNotReached):
            second.wait(0.05)
        first.release()
        second.wait(LONG)
        second.release()
        assert held.result(LONG) == 2
    assert shared.call(double, 1) == 2


def test_call_is_held_on_a_thread_of_the_users(shared):
    with shared.hold_at(double) as point:
        held = shared.submit(in_a_thread, 1)
        point.wait(LONG)
        point.release()
        assert held.result(LONG) == [2]


def in_a_thread(value):
    found = []
    thread = threading.Thread(target=lambda: found.append(double(value)))
    thread.start()
    thread.join()
    return found


def test_agent_is_not_held_in_a_function_that_it_needs(peer):
    with peer.hold_at("threading:Thread.start") as point:
        assert peer.call(held_store.triple, 1) == 3  # the agent starts the event loop's thread
        held = peer.submit(in_a_thread, 1)
        point.wait(LONG)
        assert peer.call(double, 2) == 4  # on another thread of the agent's
        point.release()
        assert held.result(LONG) == [2]


def test_calls_that_when_makes_pass(shared):
    with shared.hold_at(double, when=lambda value: double(value) > 5) as point:
        assert shared.call(double, 1) == 2
        held = shared.submit(double, 3)
        point.wait(LONG)
        point.release()
        assert held.result(LONG) == 6


def test_coroutine_of_a_test_waits_for_a_point(shared):
    async def wait():
        held = asyncio.create_task(shared.acall(double, 1))
        await asyncio.to_thread(point.wait, LONG)
        point.release()
        return await held

    with shared.hold_at(double) as point:
        assert asyncio.run(wait()) == 2


def test_paused_peer_ends_no_block_late(peer):
    with peer.hold_at(double) as point:
        held = peer.submit(double, 1)
        point.wait(LONG)
        peer.pause()
    with pytest.raises(CallTimeout):
        held.result(0.05)
    peer.resume()
    assert held.result(LONG) == 2


def test_nothing_is_imported_before_the_first_point(peer):
    assert peer.call(loaded, AGENTS) is False
    with peer.hold_at(double, required=False):
        assert peer.call(loaded, AGENTS) is True


def test_module_of_the_target_is_imported(peer):
    with peer.hold_at("wave:open") as point:
        held = peer.submit("wave:open", "/", "rb")
        point.wait(LONG)
        point.fail(KeyError("none"))
        with pytest.raises(KeyError, match="none"):
            held.result(SOON)


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({"at": "exit"}, ValueError),
        ({"nth": 0}, ValueError),
        ({"nth": "1"}, TypeError),
        ({"when": 1}, TypeError),
        ({"required": 1}, TypeError),
    ],
)
def test_bad_option_is_named(shared, options, error):
    with pytest.raises(error, match=f"^{next(iter(options))}: "):
        shared.hold_at(double, **options)


@pytest.mark.parametrize("connection", ["stdio", 0])
@pytest.mark.parametrize("options", [{"args": ["-S", "-I"]}, {"start_method": "spawn"}], ids=str)
def test_calls_are_held_in_every_kind_of_peer(peer_factory, options, connection):
    peer = peer_factory(connection=connection, **options)
    with peer.hold_at("posixpath:join") as point:
        held = peer.submit("posixpath:join", "a", "b")
        assert point.wait(LONG) == "join(a='a', 'b')"
        point.release()
        assert held.result(LONG) == "a/b"


def test_repr_of_a_point_names_its_place(shared):
    with shared.hold_at(double, required=False) as point:
        assert (
            repr(point) == f"<HoldPoint at the entry of held_store:double in peer {shared.name!r}>"
        )
