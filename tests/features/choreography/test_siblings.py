"""Calls and messages between peers, by ``here.peer``."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sibling_calls
from away import away
from mailbox_calls import take
from timeouts import LONG

import pytest_peer
from pytest_peer import Peer, PeerGroup, here


@pytest.fixture(scope="module")
def pair(module_peer_factory: Any) -> PeerGroup:
    group: PeerGroup = module_peer_factory.many(2, name="sibling")
    return group


every_verb = pytest.mark.parametrize(
    "verb", [sibling_calls.call, sibling_calls.submit, sibling_calls.acall]
)


@every_verb
def test_peer_calls_another_and_gets_the_value(pair: PeerGroup, verb: Callable[..., Any]) -> None:
    one, other = pair
    value = one.call(verb, other.name, sibling_calls.about, 1, [2], key="x")
    assert value == (other.name, other.pid, (1, [2]), {"key": "x"})


@every_verb
def test_exception_of_a_sibling_arrives_as_itself(
    pair: PeerGroup, verb: Callable[..., Any]
) -> None:
    with pytest.raises(ValueError, match="told so"):
        pair[0].call(verb, pair[1].name, sibling_calls.fail, "told so")


@every_verb
def test_coroutine_function_runs_on_the_loop_there(
    pair: PeerGroup, verb: Callable[..., Any]
) -> None:
    one, other = pair
    assert one.call(verb, other.name, sibling_calls.acall, one.name, sibling_calls.about) == (
        *(one.name, one.pid),
        *((), {}),
    )


def test_function_may_be_named(pair: PeerGroup) -> None:
    assert pair[0].call(sibling_calls.call, pair[1].name, "os:getpid") == pair[1].pid


def test_lambda_travels_between_peers(pair: PeerGroup) -> None:
    add = pair[0].call(
        lambda name: here.peer(name).call(lambda: [i + 1 for i in (1, 2)]), "sibling-1"
    )
    assert add == [2, 3]


def test_big_values_travel_both_ways(pair: PeerGroup) -> None:
    data = bytes(range(256)) * 40_000
    assert pair[0].call(sibling_calls.call, pair[1].name, bytes.upper, data) == data.upper()


def call_each_other(name: str, depth: int) -> int:
    return here.peer(name).call(call_each_other, here.name, depth - 1) + 1 if depth else 0


def test_calls_may_go_to_and_fro(pair: PeerGroup) -> None:
    assert pair[0].call(call_each_other, pair[1].name, 6) == 6


def test_peer_is_a_sibling_of_its_own(pair: PeerGroup) -> None:
    assert pair[0].call(sibling_calls.call, pair[0].name, sibling_calls.about)[1] == pair[0].pid


def test_cast_runs_there(pair: PeerGroup, module_peer_factory: Any) -> None:
    pair[0].call(sibling_calls.cast, pair[1].name, sibling_calls.send_back, 1)
    assert module_peer_factory.mailbox("back").get(LONG) == (pair[1].name, 1)


def test_messages_arrive_in_the_order_of_their_sender(pair: PeerGroup) -> None:
    sizes = [10, 3_000_000, 20, 100_000, 30]
    pair[0].call(sibling_calls.send, pair[1].name, "box", *map(bytes, sizes))
    assert [len(pair[1].call(take, "box")) for _ in sizes] == sizes


@pytest.mark.parametrize(
    ("use", "error"),
    [
        (lambda _: here.peer(None), TypeError),  # type: ignore[arg-type]
        (lambda name: here.peer(name).call(3), TypeError),  # type: ignore[arg-type]
        (lambda name: here.peer(name).call("os"), ValueError),
        (lambda name: here.peer(name).send(1, 2), TypeError),  # type: ignore[arg-type]
    ],
)
def test_what_is_no_call_is_refused_at_once(
    pair: PeerGroup, use: Callable[[str], Any], error: type[Exception]
) -> None:
    with pytest.raises(error, match=r"expected a"):
        pair[0].call(use, pair[1].name)


def test_unknown_name_lists_the_living(peer_factory: Any) -> None:
    group = peer_factory.many(3, name="known")
    group[1].stop()
    for name in ("unknown", "known-1"):
        with pytest.raises(LookupError, match=f"'{name}'; there are 'known-0', 'known-2'"):
            group[0].call(sibling_calls.call, name, sibling_calls.about)


def test_peer_of_another_factory_is_unknown(pair: PeerGroup, peer: Peer) -> None:
    with pytest.raises(LookupError, match=pair[0].name):
        peer.call(sibling_calls.call, pair[0].name, sibling_calls.about)


# Handles that are sent


def use_and_return(handle: Any) -> Any:
    return handle.name, handle.call(sibling_calls.about)[1], [handle]


def test_handle_that_is_sent_is_a_sibling_there(pair: PeerGroup) -> None:
    one, other = pair
    name, pid, (back,) = one.call(use_and_return, other)
    assert (name, pid) == (other.name, other.pid)
    assert back is other


def test_handle_passes_from_peer_to_peer(pair: PeerGroup) -> None:
    def pass_on(first: Any, second: Any) -> Any:
        return second.call(use_and_return, first)[1]

    assert pair[0].call(pass_on, pair[0], pair[1]) == pair[0].pid


def test_handle_of_another_factory_can_be_sent(pair: PeerGroup, peer: Peer) -> None:
    assert peer.call(use_and_return, pair[0])[1] == pair[0].pid


def test_closure_over_a_handle_can_be_sent(pair: PeerGroup) -> None:
    one, other = pair
    assert one.call(lambda: other.call(sibling_calls.about)[0]) == other.name
    assert one.call(sibling_calls.call, other.name, one.call, "os:getpid") == one.pid


# While peers begin and end


def test_setup_of_a_group_finds_the_other_members(peer_factory: Any) -> None:
    def meet() -> None:
        for index in range(3):
            here.peer(f"member-{index}").send("met", here.name)

    group = peer_factory.many(3, name="member", setup=meet)
    for member in group:
        assert sorted(member.call(take, "met") for _ in group) == [each.name for each in group]


def test_call_waits_for_the_boot_of_the_other(peer_factory: Any, booting: Peer, gate: Any) -> None:
    future = peer_factory().submit(sibling_calls.call, booting.name, sibling_calls.about)
    gate.open()
    assert future.result(LONG)[1] == booting.pid


def test_handle_follows_a_restart(peer_factory: Any) -> None:
    one, other = peer_factory.many(2, name="again")

    def keep(handle: Any) -> None:
        here.handle = handle  # type: ignore[attr-defined]

    one.call(keep, other)
    other.restart()
    assert one.call(lambda: here.handle.call("os:getpid")) == other.pid  # type: ignore[attr-defined]


def test_peer_that_sees_no_files_of_ours(peer_factory: Any) -> None:
    hidden = away(Path(pytest_peer.__file__).parent, os.path.realpath(sys.executable))
    far = peer_factory(name="far", **hidden)
    near = peer_factory(name="near")
    assert far.call(sibling_calls.call, "near", os.getpid) == near.pid
    assert (
        near.call(sibling_calls.submit, "far", sibling_calls.submit, "near", os.getpid) == near.pid
    )
    with pytest.raises(ValueError, match="told so"):
        far.call(sibling_calls.call, "near", sibling_calls.fail, "told so")
