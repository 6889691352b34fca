"""`get` of a mailbox of the test ends when no peer is left that could send."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from mailbox_calls import send, take
from stopping import taking_less_than
from timeouts import LONG, SOON

import pytest_peer
from pytest_peer import Peer, PeerDown

survivable = pytest.mark.peer(peer_down="continue")


def send_and_exit(box: str, *messages: object) -> None:
    send(box, *messages)
    os._exit(3)


@survivable
def test_get_ends_with_the_last_peer(peer: Peer, peer_factory: Any) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(peer_factory.mailbox("box").get, LONG)
        peer.cast(os._exit, 3)
        with taking_less_than(SOON), pytest.raises(PeerDown, match=r"'box'.*status 3") as caught:
            waiting.result(LONG)
    assert caught.value.reason.exit_status == 3


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("limit", [0, LONG, None])
def test_get_after_the_end_of_all_raises_at_once(
    peer: Peer, peer_factory: Any, end: str, limit: float | None
) -> None:
    getattr(peer, end)()
    with taking_less_than(SOON), pytest.raises(PeerDown, match=peer.name):
        peer_factory.mailbox("box").get(limit)


@survivable
def test_what_a_peer_sent_before_its_end_comes_first(peer: Peer, peer_factory: Any) -> None:
    peer.cast(send_and_exit, "box", 1, 2)
    box = peer_factory.mailbox("box")
    assert (box.get(LONG), box.get(LONG)) == (1, 2)
    with pytest.raises(PeerDown):
        box.get(LONG)


@survivable
def test_iteration_ends_with_the_last_peer(peer: Peer, peer_factory: Any) -> None:
    peer.cast(send_and_exit, "box", 1, 2)
    assert list(peer_factory.mailbox("box")) == [1, 2]


def test_several_readers_all_learn_of_the_end(peer: Peer, peer_factory: Any) -> None:
    boxes = [peer_factory.mailbox(name) for name in ("one", "one", "other")]
    with ThreadPoolExecutor() as pool:
        waiting = [pool.submit(list, box) for box in boxes]
        peer.stop()
        assert [each.result(LONG) for each in waiting] == [[], [], []]


def test_get_goes_on_while_one_peer_lives(peer_factory: Any) -> None:
    one, other = peer_factory.many(2)
    one.stop()
    box = peer_factory.mailbox("box")
    with pytest.raises(TimeoutError, match=f"down: .*{one.name}"):
        box.get(0)
    other.call(send, "box", 1)
    assert box.get(LONG) == 1


def test_get_waits_for_a_peer_that_is_not_yet_started(peer_factory: Any) -> None:
    with pytest.raises(TimeoutError):
        peer_factory.mailbox("box").get(0)


def test_peer_that_restarts_is_not_down(peer: Peer, peer_factory: Any) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(peer_factory.mailbox("box").get, LONG)
        peer.restart()
        peer.call(send, "box", "from the second life")
        assert waiting.result(LONG) == "from the second life"


def test_restart_that_fails_ends_the_wait(peer: Peer, peer_factory: Any) -> None:
    with ThreadPoolExecutor() as pool:
        waiting = pool.submit(peer_factory.mailbox("box").get, LONG)
        with pytest.raises(pytest_peer.BootError):
            peer.restart(exec="/nowhere/python")
        with taking_less_than(SOON), pytest.raises(PeerDown):
            waiting.result(LONG)


def test_boot_that_fails_ends_the_wait(peer_factory: Any) -> None:
    with pytest.raises(pytest_peer.BootError):
        peer_factory(exec=["sh", "-c", "exit 3"])
    with taking_less_than(SOON), pytest.raises(PeerDown, match="boot failed"):
        peer_factory.mailbox("box").get(LONG)


@survivable
def test_error_names_the_death_that_nobody_asked_for(peer_factory: Any) -> None:
    stopped, killed = peer_factory.many(2)
    stopped.stop()
    os.kill(killed.pid, signal.SIGKILL)
    with pytest.raises(PeerDown, match=f"{stopped.name}.*{killed.name}") as caught:
        peer_factory.mailbox("box").get(LONG)
    assert caught.value.reason == killed.down_reason


@survivable
def test_error_is_of_a_peer_that_lived_last(peer_factory: Any) -> None:
    earlier = peer_factory()
    os.kill(earlier.pid, signal.SIGKILL)
    earlier.wait_down(LONG)
    peer_factory().stop()
    with pytest.raises(PeerDown, match=earlier.name) as caught:
        peer_factory.mailbox("box").get(LONG)
    assert caught.value.reason.kind == "stopped"


def test_error_names_boxes_that_have_messages(peer: Peer, peer_factory: Any) -> None:
    peer.call(send, "abc", 1)
    with pytest.raises(TimeoutError, match="messages in 'abc'"):
        peer_factory.mailbox("ready").get(0)
    peer.stop()
    with pytest.raises(PeerDown, match="messages in 'abc'"):
        peer_factory.mailbox("ready").get(0)


def test_error_in_a_peer_names_its_boxes_that_have_messages(peer: Peer) -> None:
    peer.send("abc", 1)
    with pytest.raises(TimeoutError, match="messages in 'abc'"):
        peer.call(take, "ready", 0)


def test_get_ends_with_the_last_peer_of_the_library() -> None:
    with pytest_peer.start() as peer:
        peer.call(send, "dead", 1)
    box = pytest_peer.mailbox("dead")
    assert box.get(LONG) == 1
    with taking_less_than(SOON), pytest.raises(PeerDown, match=peer.name):
        box.get(LONG)
