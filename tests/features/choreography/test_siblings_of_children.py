"""``here.peer`` in the processes that a peer has started."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

import children
import pytest
import sibling_calls
from mailbox_calls import take
from timeouts import LONG

from pytest_peer import CallTimeout, PeerDown, PeerGroup, here

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")


@pytest.fixture
def pair(peer_factory: Any) -> PeerGroup:
    group: PeerGroup = peer_factory.many(2, name="sibling")
    return group


@pytest.mark.parametrize(
    "way", [children.forked, children.executed, children.daemonized, children.in_pool]
)
def test_child_uses_all_verbs(pair: PeerGroup, peer_factory: Any, way: Callable[..., None]) -> None:
    pair[0].call(way, sibling_calls.use_all_verbs)
    assert peer_factory.mailbox("values").get(LONG) == [pair[1].pid] * 3
    assert peer_factory.mailbox("back").get(LONG) == ("sibling-1", "cast")
    assert pair[1].call(take, "box") == "sent"


def check_failures() -> None:
    other = here.peer("sibling-1")
    with pytest.raises(ValueError, match="told so"):
        other.call(sibling_calls.fail, "told so")
    with pytest.raises(LookupError, match="'sibling-0', 'sibling-1'"):
        here.peer("unknown")
    other.cast(os._exit, 3)
    with pytest.raises(PeerDown, match="exited with status 3"):
        other.call(take, "never")


def test_failures_arrive_in_a_child(peer_factory: Any) -> None:
    pair = peer_factory.many(2, name="sibling", peer_down="continue")
    pair[0].call(children.forked, check_failures)


def expect_timeout() -> None:
    with pytest.raises(CallTimeout, match=r"within 0.2 s"):
        here.peer("slow").call(take, "never", None)


def test_limit_counts_in_a_child(peer_factory: Any) -> None:
    peer_factory(name="slow", call_timeout=0.2)
    peer_factory().call(children.forked, expect_timeout)


def test_death_of_a_child_cancels_its_coroutine(pair: PeerGroup, peer_factory: Any) -> None:
    def start() -> int:
        pid = os.fork()
        if not pid:
            here.peer("sibling-1").call(sibling_calls.wait_for_ages)
        return pid

    pid = pair[0].call(start)
    assert peer_factory.mailbox("waits").get(LONG) == "sibling-1"
    os.kill(pid, signal.SIGKILL)
    assert peer_factory.mailbox("ended").get(LONG) == "sibling-1"
    pair[0].call(os.waitpid, pid, 0)
