"""Verbs of a peer that is down, or dies before it has replied."""

from __future__ import annotations

import concurrent.futures
import os
from collections.abc import Callable
from typing import Any

import pytest
from mailbox_calls import report_and_take
from timeouts import LONG

from pytest_peer import Peer, PeerDown

VERBS: dict[str, Callable[[Peer], Any]] = {
    "call": lambda peer: peer.call(os.getpid),
    "call_within": lambda peer: peer.call_within(LONG, os.getpid),
    "submit": lambda peer: peer.submit(os.getpid).result(LONG),
    "cast": lambda peer: peer.cast(os.getpid),
    "send": lambda peer: peer.send("box", 1),
    "dump_stacks": lambda peer: peer.dump_stacks(),
    "hold_at": lambda peer: peer.hold_at("posixpath:join").__enter__(),
    "fail_at": lambda peer: peer.fail_at("posixpath:join", KeyError).__enter__(),
}


@pytest.mark.parametrize("verb", VERBS)
def test_what_is_said_to_a_dead_peer_is_an_error_with_the_reason(dead: Peer, verb: str) -> None:
    with pytest.raises(PeerDown) as caught:
        VERBS[verb](dead)
    assert caught.value.reason == dead.down_reason
    assert dead.name in str(caught.value)
    assert "SIGKILL" in str(caught.value)


def test_pending_call_ends_with_the_peer(peer: Peer, peer_factory: Any) -> None:
    futures = [peer.submit(report_and_take, box) for box in ("a", "b")]
    for _ in futures:
        peer_factory.mailbox("runs").get(LONG)
    peer.kill()
    for future in futures:
        with pytest.raises(PeerDown) as caught:
            future.result(1)
        assert caught.value.reason == peer.down_reason


def test_call_that_ends_the_process_raises_its_exit_status(peer_factory: Any) -> None:
    peer = peer_factory(peer_down="continue")
    with pytest.raises(PeerDown, match="exited with status 3") as caught:
        peer.call(os._exit, 3)
    assert caught.value.reason.exit_status == 3


def test_answer_that_has_come_outlives_the_peer(peer: Peer) -> None:
    future = peer.submit(os.getpid)
    concurrent.futures.wait([future], LONG)
    pid = peer.pid
    peer.stop()
    assert future.result() == pid
