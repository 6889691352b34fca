"""`peer_factory.order` lets one call through only after another."""

from __future__ import annotations

import pytest
from held_store import double, triple
from timeouts import LONG

from pytest_peer import CallTimeout, PointNotReached


@pytest.fixture
def pair(module_peer_factory, request):
    """Two peers, shared by the module."""
    if not hasattr(request.module, "PAIR"):
        request.module.PAIR = module_peer_factory.many(2, name="pair")
    return request.module.PAIR


def not_yet(future, peer):
    """Whether a call waits, as far as a later call to its peer shows it."""
    peer.call("builtins:abs", -1)
    return not future.done()


def test_second_waits_for_the_first(peer_factory, pair):
    a, b = pair
    with peer_factory.order(a.point(double), b.point(double)):
        second = b.submit(double, 2)
        assert not_yet(second, b)
        assert a.call(double, 1) == 2
        assert second.result(LONG) == 4


def test_second_goes_on_at_once_after_the_first(peer_factory, pair):
    a, b = pair
    with peer_factory.order(a.point(double), b.point(double)):
        assert a.call(double, 1) == 2
        assert b.call_within(LONG, double, 2) == 4


def test_order_of_a_return_and_an_entry(peer_factory, pair):
    a, b = pair
    with (
        a.hold_at(double) as point,
        peer_factory.order(a.point(double, at="return"), b.point(triple)),
    ):
        first, second = a.submit(double, 1), b.submit(triple, 1)
        point.wait(LONG)
        assert not_yet(second, b)
        point.release()
        assert second.result(LONG) == 3
        assert first.result(LONG) == 2


def test_order_of_two_calls_of_one_peer(peer_factory, pair):
    a, _ = pair
    with peer_factory.order(a.point(double, nth=2), a.point(triple)):
        second = a.submit(triple, 1)
        a.call(double, 1)
        assert not_yet(second, a)
        a.call(double, 1)
        assert second.result(LONG) == 3


def test_orders_can_be_chained(peer_factory, pair):
    a, b = pair
    with (
        peer_factory.order(a.point(double), b.point(double)),
        peer_factory.order(b.point(double, at="return"), a.point(triple)),
    ):
        third = a.submit(triple, 1)
        second = b.submit(double, 2)
        assert not_yet(third, a)
        a.call(double, 1)
        assert (second.result(LONG), third.result(LONG)) == (4, 3)


def test_first_that_never_comes_fails_and_says_who_waited(peer_factory, pair):
    a, b = pair
    with (
        pytest.raises(
            PointNotReached, match="entry of held_store:double in peer 'pair-0'"
        ) as caught,
        peer_factory.order(a.point(double), then := b.point(triple)),
    ):
        second = b.submit(triple, 1)
        assert then.wait(LONG) == "triple(value=1)"
    assert second.result(LONG) == 3
    assert "held_store:triple in peer 'pair-1' was held for that" in caught.value.__notes__[0]


def test_second_that_never_comes_fails(peer_factory, pair):
    a, b = pair
    with (
        pytest.raises(PointNotReached, match="pair-1"),
        peer_factory.order(a.point(double), b.point(double)),
    ):
        a.call(double, 1)


def test_order_goes_on_in_the_next_life_of_the_first(peer_factory):
    a, b = peer_factory.many(2)
    with peer_factory.order(a.point(double), b.point(double)):
        second = b.submit(double, 2)
        a.restart()
        assert not_yet(second, b)
        a.call(double, 1)
        assert second.result(LONG) == 4


def test_what_is_no_point_is_refused(peer_factory, pair):
    point = pair[0].point(double)
    with pytest.raises(TypeError, match=r"then: expected what `peer.point` gives"):
        peer_factory.order(point, double)
    with pytest.raises(ValueError, match="then: expected another point"):
        peer_factory.order(point, point)


def test_failure_of_a_call_in_vain_names_the_order(peer_factory, pair):
    a, b = pair
    with pytest.raises(CallTimeout) as caught, peer_factory.order(a.point(double), b.point(triple)):
        held = b.submit(triple, 1)
        held.wait_blocked(LONG)
        held.result(0.01)
    assert caught.value.__notes__[-1] == (
        f"the entry of held_store:triple in peer {b.name!r} was held until a call came to"
        f" the entry of held_store:double in peer {a.name!r}; none did"
    )
    assert held.result(LONG) == 3


def test_failure_of_a_call_in_vain_names_the_death_of_the_first(peer_factory):
    a, b = peer_factory.many(2)
    with pytest.raises(CallTimeout) as caught, peer_factory.order(a.point(double), b.point(triple)):
        held = b.submit(triple, 1)
        held.wait_blocked(LONG)
        a.kill()
        held.result(0.01)
    death = f"peer {a.name!r} (pid {a.pid}) is down: killed by SIGKILL"
    assert caught.value.__notes__[-1].endswith(f" in peer {a.name!r}; {death}")


def test_order_whose_first_has_died_says_so_at_its_end(peer_factory):
    a, b = peer_factory.many(2)
    with (
        pytest.raises(
            PointNotReached, match=r"double in peer .*: peer .* is down: killed by SIGKI"
        ),
        peer_factory.order(a.point(double), then := b.point(triple)),
    ):
        b.submit(triple, 1)
        then.wait(LONG)
        a.kill()
