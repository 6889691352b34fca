"""Mailboxes on both sides: names, `get` and its limit, iteration, owners."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import pytest
from mailbox_calls import send, take
from timeouts import LONG

import pytest_peer
from pytest_peer import Peer, here


def take_numbers(box: str, count: int) -> list[int]:
    return [number for number, _ in itertools.islice(here.mailbox(box), count)]


# Names


def test_boxes_are_kept_apart(shared: Peer) -> None:
    shared.send("left", 1)
    shared.send("right", 2)
    assert shared.call(take, "right", 0) == 2
    assert shared.call(take, "left", 0) == 1


@pytest.mark.parametrize("name", ["", "ü", "a b", "x" * 1000, "\udc80"])
def test_box_may_have_any_name(shared: Peer, module_peer_factory: Any, name: str) -> None:
    shared.send(name, 1)
    assert shared.call(take, name) == 1
    shared.call(send, name, 2)
    assert module_peer_factory.mailbox(name).get(LONG) == 2


@pytest.mark.parametrize("name", [None, 1, b"box"])
def test_name_of_a_box_is_a_str(shared: Peer, module_peer_factory: Any, name: Any) -> None:
    for use in (
        lambda: shared.send(name, 1),
        lambda: shared.call(send, name, 1),
        lambda: shared.call(take, name),
        lambda: module_peer_factory.mailbox(name),
    ):
        with pytest.raises(TypeError, match="mailbox"):
            use()


def test_same_name_is_the_same_box(peer_factory: Any) -> None:
    assert peer_factory.mailbox("same") is peer_factory.mailbox("same")


# Limits


def box_here(shared: Peer, factory: Any) -> Callable[[float | None], Any]:
    return factory.mailbox("empty").get


def box_there(shared: Peer, factory: Any) -> Callable[[float | None], Any]:
    return lambda timeout: shared.call(take, "empty", timeout)


both_sides = pytest.mark.parametrize("side", [box_here, box_there])


@both_sides
@pytest.mark.parametrize("limit", [0, 0.01])
def test_get_beyond_the_limit_is_a_timeout_error(
    shared: Peer, module_peer_factory: Any, side: Any, limit: float
) -> None:
    with pytest.raises(TimeoutError, match=rf"'empty' within {limit:g} s"):
        side(shared, module_peer_factory)(limit)


@both_sides
@pytest.mark.parametrize("limit", [-1, -math.inf, math.nan])
def test_limit_that_is_none_is_refused(
    shared: Peer, module_peer_factory: Any, side: Any, limit: float
) -> None:
    with pytest.raises(ValueError, match=f"timeout: .*{limit!r}"):
        side(shared, module_peer_factory)(limit)


@both_sides
def test_limit_of_a_wrong_type_is_refused(
    shared: Peer, module_peer_factory: Any, side: Any
) -> None:
    with pytest.raises(TypeError):
        side(shared, module_peer_factory)("1")


@pytest.mark.parametrize("limit", [None, math.inf, 10**10])
def test_get_without_a_limit_worth_the_name(
    shared: Peer, module_peer_factory: Any, limit: float | None
) -> None:
    shared.call(send, "unlimited", 1)
    assert module_peer_factory.mailbox("unlimited").get(limit) == 1
    shared.send("unlimited", 2)
    assert shared.call(take, "unlimited", limit) == 2


# Iteration


def test_box_here_is_iterable(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send, "iterated", 1, 2, 3)
    assert list(itertools.islice(module_peer_factory.mailbox("iterated"), 3)) == [1, 2, 3]


def test_box_there_is_iterable(shared: Peer) -> None:
    future = shared.submit(take_numbers, "iterated", 3)
    for number in range(3):
        shared.send("iterated", (number, None))
    assert future.result(LONG) == [0, 1, 2]


def test_left_loop_leaves_the_rest_in_the_box(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send, "left loop", 1, 2)
    box = module_peer_factory.mailbox("left loop")
    for message in box:
        assert message == 1
        break
    assert box.get(LONG) == 2


# Whose boxes


def test_peers_of_a_factory_share_its_boxes(peer_factory: Any) -> None:
    group = peer_factory.many(2)
    group.call(lambda: here.origin.send("names", here.name))
    box = peer_factory.mailbox("names")
    assert {box.get(LONG), box.get(LONG)} == {peer.name for peer in group}


def test_peers_have_boxes_of_their_own(peer_factory: Any) -> None:
    one, other = peer_factory.many(2)
    one.send("own", 1)
    with pytest.raises(TimeoutError):
        other.call(take, "own", 0)
    assert one.call(take, "own", 0) == 1


def test_factories_have_boxes_of_their_own(
    shared: Peer, module_peer_factory: Any, peer_factory: Any
) -> None:
    shared.call(send, "scope", 1)
    with pytest.raises(TimeoutError):
        peer_factory.mailbox("scope").get(0)
    assert module_peer_factory.mailbox("scope").get(0) == 1


def test_peers_of_the_library_send_to_the_box_of_the_process() -> None:
    with pytest_peer.start() as peer:
        peer.call(send, "process", peer.name)
        assert pytest_peer.mailbox("process").get(LONG) == peer.name


def test_restarted_peer_has_empty_boxes(peer: Peer) -> None:
    peer.send("emptied", 1)
    peer.restart()
    with pytest.raises(TimeoutError):
        peer.call(take, "emptied", 0)
