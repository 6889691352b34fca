"""Marks: where a peer has come to, for the test."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import barrier_calls
import children
import pytest
from timeouts import LONG

from pytest_peer import EncodeError, Peer, PeerDown, here


def mark(name: str, /, **fields: Any) -> None:
    here.mark(name, **fields)


def test_test_waits_for_a_mark(peer: Peer, peer_factory: Any) -> None:
    peer.cast(mark, "ready", port=80)
    found = peer_factory.wait_mark("ready", LONG)
    assert (found.name, found.peer, found.fields) == ("ready", peer.name, {"port": 80})


def test_mark_that_was_made_before_counts_again_and_again(peer: Peer, peer_factory: Any) -> None:
    peer.call(mark, "ready")
    assert peer_factory.wait_mark("ready", 0) == peer_factory.wait_mark("ready", 0)


def test_fields_choose_among_marks(peer: Peer, peer_factory: Any) -> None:
    for term in (1, 2, 3):
        peer.call(mark, "leader", term=term, name="x")
    assert peer_factory.wait_mark("leader", 0, term=2).fields == {"term": 2, "name": "x"}
    assert peer_factory.wait_mark("leader", 0, name="x").fields["term"] == 1
    with pytest.raises(TimeoutError):
        peer_factory.wait_mark("leader", 0, term=2, other=None)


def test_error_tells_the_marks_there_are(peer: Peer, peer_factory: Any) -> None:
    peer.call(mark, "leader", term=1)
    with pytest.raises(TimeoutError) as caught:
        peer_factory.wait_mark("leader", 0.1, term=2)
    text = f"no mark 'leader, term=2' within 0.1 s; marks so far: {peer.name}: leader, term=1"
    assert str(caught.value).startswith(f"{text}\n")


def test_wait_ends_with_the_last_peer(peer: Peer, peer_factory: Any) -> None:
    peer.call(mark, "early")
    peer.kill()
    assert peer_factory.wait_mark("early", None).peer == peer.name
    with pytest.raises(PeerDown, match=r"no mark 'late'; marks so far: .*: early") as caught:
        peer_factory.wait_mark("late", None)
    assert caught.value.reason == peer.down_reason


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")
@pytest.mark.parametrize("way", [children.forked, children.executed])
def test_process_of_a_peer_makes_marks(
    peer: Peer, peer_factory: Any, way: Callable[..., None]
) -> None:
    peer.call(way, barrier_calls.mark_done)
    assert peer_factory.wait_mark("done", 0, by="child").peer == peer.name


def test_field_may_have_any_name(peer: Peer, peer_factory: Any) -> None:
    peer.call(lambda: here.mark("m", name=1, timeout=2))
    assert peer_factory.wait_mark("m", 0, name=1, timeout=2)


def test_what_cannot_travel_is_refused(peer: Peer) -> None:
    with pytest.raises(EncodeError, match="the mark cannot be pickled"):
        peer.call(lambda: here.mark("m", lock=__import__("threading").Lock()))
    with pytest.raises(TypeError, match="mark: expected a name"):
        peer.call(lambda: here.mark(1))  # type: ignore[arg-type]
