"""Barriers that open: of peers, of what they have started, and of the test."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import barrier_calls
import children
import pytest
from timeouts import LONG

from pytest_peer import Peer, PeerGroup, here


@pytest.fixture(scope="module")
def three(module_peer_factory: Any) -> PeerGroup:
    group: PeerGroup = module_peer_factory.many(3, name="party")
    return group


NAMES = ["party-0", "party-1", "party-2"]


@pytest.mark.parametrize("come", [barrier_calls.come, barrier_calls.acome])
def test_all_go_on_when_the_last_has_come(three: PeerGroup, come: Callable[..., Any]) -> None:
    name = come.__name__
    first = [peer.submit(come, name, 3) for peer in three[:2]]
    three[0].call(barrier_calls.come, f"{name} two", 1)
    assert not any(future.done() for future in first)
    last = three[2].submit(come, name, 3)
    assert [future.result(LONG) for future in (*first, last)] == NAMES


def test_barrier_begins_anew_each_time(three: PeerGroup) -> None:
    assert three.call(barrier_calls.come, "again", 3, LONG, 50) == NAMES


def test_barriers_of_two_names_are_two(three: PeerGroup) -> None:
    futures = [
        three[0].submit(barrier_calls.come, "left", 2),
        three[1].submit(barrier_calls.come, "right", 2),
        three[2].submit(barrier_calls.come, "left", 2),
    ]
    assert futures[0].result(LONG) == "party-0"
    assert futures[2].result(LONG) == "party-2"
    assert not futures[1].done()
    three[0].call(barrier_calls.come, "right", 2)
    futures[1].result(LONG)


def test_one_party_goes_on_at_once(three: PeerGroup, module_peer_factory: Any) -> None:
    three[0].call(barrier_calls.come, "alone", 1, 0)
    module_peer_factory.barrier("alone", 1, 0)


def test_test_may_be_a_party(three: PeerGroup, module_peer_factory: Any) -> None:
    futures = three.submit(barrier_calls.come, "with the test", 4)
    module_peer_factory.barrier("with the test", 4, LONG)
    assert [future.result(LONG) for future in futures] == NAMES


def test_threads_of_one_peer_are_parties(three: PeerGroup) -> None:
    futures = [three[0].submit(barrier_calls.come, "threads", 3) for _ in range(3)]
    assert [future.result(LONG) for future in futures] == ["party-0"] * 3


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")
@pytest.mark.parametrize("way", [children.forked, children.executed, children.daemonized])
def test_processes_of_a_peer_are_parties(
    peer: Peer, peer_factory: Any, way: Callable[..., None]
) -> None:
    future = peer.submit(way, barrier_calls.send_when_open, "of a child", "2")
    peer_factory.barrier("of a child", 2, LONG)
    future.result(LONG)
    assert peer_factory.mailbox("open").get(LONG) == peer.name


def test_peers_meet_in_their_setup(peer_factory: Any) -> None:
    group = peer_factory.many(3, name="met", setup=lambda: here.barrier("up", 3, LONG))
    assert all(peer.state == "running" for peer in group)


def test_factories_have_barriers_of_their_own(
    three: PeerGroup, module_peer_factory: Any, peer_factory: Any
) -> None:
    future = three[0].submit(barrier_calls.come, "own", 2)
    module_peer_factory.wait_mark("comes", LONG, barrier="own")
    peer_factory.barrier("own", 1, 0)
    assert not future.done()
    module_peer_factory.barrier("own", 2, LONG)
    future.result(LONG)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        ((1, 2), TypeError),
        (("b", "2"), TypeError),
        (("b", True), TypeError),
        (("b", 0), ValueError),
        (("b", 2, -1), ValueError),
        (("b", 2, "soon"), TypeError),
    ],
)
def test_bad_arguments_are_refused_on_both_sides(
    three: PeerGroup, module_peer_factory: Any, arguments: Any, error: type[Exception]
) -> None:
    for use in (module_peer_factory.barrier, lambda *args: three[0].call(here.barrier, *args)):
        with pytest.raises(error, match=r"barrier|parties|timeout"):
            use(*arguments)


def test_interrupted_test_can_go_on(three: PeerGroup, module_peer_factory: Any) -> None:
    threads = [
        threading.Thread(target=module_peer_factory.barrier, args=("threads of the test", 3, LONG))
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    three[0].call(barrier_calls.come, "threads of the test", 3)
    for thread in threads:
        thread.join(LONG)
