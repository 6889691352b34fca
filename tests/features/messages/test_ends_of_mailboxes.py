"""Default limits of mailboxes, tasks that wait for a message, and `close`."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import Callable
from typing import Any

import children
import pytest
from inner_pytest import Inner
from mailbox_calls import send, take
from timeouts import LONG

from pytest_peer import Peer, PeerDown, here


def get(box: str) -> Any:
    return here.mailbox(box).get()


async def aget(box: str, timeout: float | None = LONG) -> Any:
    return await here.mailbox(box).aget(timeout)


async def give_up_and_get(box: str) -> Any:
    """Cancel a task that waits, and wait again."""
    task = asyncio.ensure_future(here.mailbox(box).aget(None))
    await asyncio.sleep(0.01)
    task.cancel()
    await asyncio.wait([task])
    here.origin.send("gave up", task.cancelled())
    return await aget(box)


def iterate(box: str) -> list[Any]:
    return list(here.mailbox(box))


def close(box: str) -> None:
    here.mailbox(box).close()


# Limits


def test_limit_of_a_peers_box_is_its_call_timeout(peer_factory: Any) -> None:
    peer = peer_factory(call_timeout=0.2)
    with pytest.raises(TimeoutError, match=r"no message in mailbox 'box' within 0.2 s"):
        peer.call_within(LONG, get, "box")


def test_limit_of_the_tests_box_is_that_of_the_settings(inner: Inner) -> None:
    inner.write(
        """
        def test_empty(peer, peer_factory):
            with pytest.raises(TimeoutError, match="within 0.2 s"):
                peer_factory.mailbox("box").get()
        """
    )
    inner.run("--peer-call-timeout=0.2").assert_outcomes(passed=1)


# In tasks


def test_task_of_the_test_gets_a_message(shared: Peer, module_peer_factory: Any) -> None:
    box = module_peer_factory.mailbox("awaited")

    async def wait() -> Any:
        task = asyncio.ensure_future(box.aget(LONG))
        await asyncio.sleep(0)
        await shared.acall(send, "awaited", 1)
        return await task

    assert asyncio.run(wait()) == 1


@pytest.mark.parametrize("limit", [0, 0.05])
def test_late_message_is_a_timeout_in_a_task(
    shared: Peer, module_peer_factory: Any, limit: float
) -> None:
    with pytest.raises(TimeoutError, match=f"within {limit:g} s"):
        asyncio.run(module_peer_factory.mailbox("none").aget(limit))
    with pytest.raises(TimeoutError, match=f"within {limit:g} s"):
        shared.call(aget, "none", limit)


def test_cancelled_task_takes_no_message(shared: Peer, module_peer_factory: Any) -> None:
    future = shared.submit(give_up_and_get, "given up")
    assert module_peer_factory.mailbox("gave up").get(LONG)
    shared.send("given up", 1)
    assert future.result(LONG) == 1


def test_task_ends_with_the_last_peer(peer: Peer, peer_factory: Any) -> None:
    async def wait() -> None:
        task = asyncio.ensure_future(peer_factory.mailbox("box").aget(None))
        await asyncio.sleep(0)
        await asyncio.to_thread(peer.kill)
        await task

    with pytest.raises(PeerDown, match="killed by SIGKILL") as caught:
        asyncio.run(wait())
    assert caught.value.reason == peer.down_reason


def aget_and_send_back(box: str) -> None:
    here.origin.send("back", asyncio.run(give_up_and_get(box)))


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")
@pytest.mark.parametrize("way", [children.forked, children.in_pool])
def test_task_of_a_child_gets_a_message(
    peer: Peer, peer_factory: Any, way: Callable[..., None]
) -> None:
    future = peer.submit(way, aget_and_send_back, "box")
    assert peer_factory.mailbox("gave up").get(LONG)
    peer.send("box", 1)
    assert peer_factory.mailbox("back").get(LONG) == 1
    future.result(LONG)


# Ends


def test_closed_box_gives_what_it_has_and_ends(shared: Peer, module_peer_factory: Any) -> None:
    shared.call(send, "closing", 1, 2)
    box = module_peer_factory.mailbox("closing")
    box.close()
    assert list(box) == [1, 2]
    with pytest.raises(PeerDown, match="mailbox 'closing' is closed"):
        box.get(None)


def test_close_ends_who_waits(shared: Peer, module_peer_factory: Any) -> None:
    found: list[Any] = []
    box = module_peer_factory.mailbox("waited for")
    thread = threading.Thread(target=lambda: found.extend(box))
    thread.start()
    shared.call(send, "waited for", 1)
    box.close()
    thread.join(LONG)
    assert found == [1]


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")
def test_close_in_a_peer_ends_its_processes_too(peer: Peer) -> None:
    future = peer.submit(children.in_pool, iterate, "box")
    other = peer.submit(iterate, "box")
    peer.call(children.forked, close, "box")
    assert other.result(LONG) == []
    future.result(LONG)


@pytest.mark.filterwarnings("ignore::pytest_peer.UnhandledPeerException")
def test_error_names_failed_casts(peer: Peer, peer_factory: Any) -> None:
    peer.cast(take, "never", 0)
    peer.stderr.wait_for("exception in a cast")
    with pytest.raises(TimeoutError) as caught:
        peer_factory.mailbox("box").get(0.5)
    text = f"; failed casts: peer {peer.name!r} (pid {peer.pid}): TimeoutError: no message in"
    assert text in str(caught.value)


def test_index_is_the_place_in_the_group(peer_factory: Any, peer: Peer) -> None:
    group = peer_factory.many(3)
    assert group.call(lambda: here.index) == [0, 1, 2]
    assert peer.call(lambda: here.index) is None
