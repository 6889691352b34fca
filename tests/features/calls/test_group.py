"""A group is a sequence of peers that calls, and ends, all its members."""

from __future__ import annotations

import operator
import os
import signal
import threading
from collections.abc import Sequence
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import Peer, PeerGroup, eventually, here


def name() -> str:
    return here.name


def report_and_take(box: str) -> Any:
    here.origin.send("runs", here.name)
    return here.mailbox(box).get(LONG)


def report(*args: object) -> None:
    here.origin.send("report", (here.name, *args))


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> PeerGroup:
    """For tests that leave no call running and no peer dead."""
    return module_peer_factory.many(3, name="shared")


@pytest.fixture
def group(peer_factory: Any) -> PeerGroup:
    return peer_factory.many(3, name="rank", peer_down="continue")


# A sequence


def test_group_is_a_sequence_of_peers(shared: PeerGroup) -> None:
    assert isinstance(shared, Sequence)
    assert len(shared) == 3
    assert all(isinstance(peer, Peer) for peer in shared)
    assert shared[0] in shared
    assert shared.index(shared[2]) == 2
    assert shared[-1] is shared[2]


def test_slice_of_a_group_is_a_group(shared: PeerGroup) -> None:
    assert isinstance(shared[1:], PeerGroup)
    assert list(shared[1:]) == [shared[1], shared[2]]
    assert shared[1:].call(name) == ["shared-1", "shared-2"]


def test_group_can_be_unpacked(shared: PeerGroup) -> None:
    one, *others = shared
    assert [one, *others] == list(shared)


def test_repr_of_a_group_names_its_members(shared: PeerGroup) -> None:
    assert all(repr(peer) in repr(shared) for peer in shared)


def test_index_beyond_the_group_is_an_index_error(shared: PeerGroup) -> None:
    with pytest.raises(IndexError):
        shared[3]


# Calls


def test_results_come_in_order(shared: PeerGroup) -> None:
    assert shared.call(name) == ["shared-0", "shared-1", "shared-2"]


def test_results_come_in_order_whoever_is_first(
    shared: PeerGroup, module_peer_factory: Any
) -> None:
    results: list[Any] = []
    calling = threading.Thread(target=lambda: results.extend(shared.call(report_and_take, "go")))
    calling.start()
    box = module_peer_factory.mailbox("runs")
    assert {box.get(LONG) for _ in shared} == {peer.name for peer in shared}
    for number, peer in reversed(list(enumerate(shared))):
        peer.send("go", number)
    calling.join(LONG)
    assert results == [0, 1, 2]


def test_everyone_gets_the_same_arguments(shared: PeerGroup) -> None:
    assert shared.call(operator.add, 1, 2) == [3, 3, 3]
    assert shared.call(dict, fn=1, self=2) == [{"fn": 1, "self": 2}] * 3


def test_map_gives_everyone_its_own_arguments(shared: PeerGroup) -> None:
    assert shared.map(operator.sub, [10, 20, 30], (1, 2, 3)) == [9, 18, 27]


def test_map_takes_any_iterable(shared: PeerGroup) -> None:
    assert shared.map(abs, (-number for number in range(3))) == [0, 1, 2]


@pytest.mark.parametrize("arguments", [[1, 2], [1, 2, 3, 4], []])
def test_map_needs_arguments_for_everyone(shared: PeerGroup, arguments: list[int]) -> None:
    with pytest.raises(ValueError, match="argument"):
        shared.map(abs, arguments)


def test_submit_returns_futures_in_order(shared: PeerGroup) -> None:
    futures = shared.submit(name)
    assert [future.result(LONG) for future in futures] == [peer.name for peer in shared]


def test_cast_reaches_everyone(shared: PeerGroup, module_peer_factory: Any) -> None:
    shared.cast(report, 1)
    box = module_peer_factory.mailbox("report")
    assert {box.get(LONG) for _ in shared} == {(peer.name, 1) for peer in shared}


# The end


def test_stop_stops_everyone(group: PeerGroup) -> None:
    group.stop()
    assert [(peer.state, peer.down_reason.kind) for peer in group] == [("down", "stopped")] * 3


def test_stop_is_idempotent(group: PeerGroup) -> None:
    group[0].kill()
    group.stop()
    group.stop()
    assert [peer.state for peer in group] == ["down"] * 3


def test_kill_kills_everyone(group: PeerGroup) -> None:
    group.kill()
    assert [peer.down_reason.signal for peer in group] == [signal.SIGKILL] * 3


def test_dead_member_stays_a_member(group: PeerGroup) -> None:
    group[1].kill()
    assert len(group) == 3
    assert [peer.state for peer in group] == ["running", "down", "running"]


def test_restarted_member_stays_a_member(group: PeerGroup) -> None:
    before = group[1].pid
    assert group[1].restart() is group[1]
    assert group.call(name) == ["rank-0", "rank-1", "rank-2"]
    assert group[1].pid != before


def test_group_sees_an_unasked_death(group: PeerGroup) -> None:
    group[2].cast(os._exit, 3)
    eventually(lambda: group[2].state == "down", timeout=LONG)
    assert group[2].down_reason.exit_status == 3
