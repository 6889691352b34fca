"""Calls, barriers and mailboxes in tasks of trio."""

from __future__ import annotations

import os
from functools import partial
from typing import Any

import pytest
import sibling_calls
from mailbox_calls import send
from timeouts import LONG

from pytest_peer import BarrierBroken, PeerGroup, here

trio = pytest.importorskip("trio")


@pytest.fixture
def pair(peer_factory: Any) -> PeerGroup:
    group: PeerGroup = peer_factory.many(2, name="sibling")
    return group


async def _ask(name: str) -> Any:
    await here.abarrier("alone", 1, LONG)
    with pytest.raises(BarrierBroken, match=r"waited for 0\.05 s"):
        await here.abarrier("never", 2, 0.05)
    return await here.peer(name).acall(os.getpid)


async def _give_up(name: str) -> bool:
    with trio.CancelScope() as scope:
        async with trio.open_nursery() as nursery:
            nursery.start_soon(here.peer(name).acall, sibling_calls.wait_for_ages)
            await here.mailbox("go").aget(LONG)
            scope.cancel()
    return bool(scope.cancelled_caught)


def in_trio(fn: Any, *args: Any) -> Any:
    return trio.run(fn, *args)


def test_task_of_a_peer_waits_for_others(pair: PeerGroup) -> None:
    assert pair[0].call(in_trio, _ask, pair[1].name) == pair[1].pid


def test_cancelled_task_cancels_the_coroutine_there(pair: PeerGroup, peer_factory: Any) -> None:
    future = pair[0].submit(in_trio, _give_up, pair[1].name)
    assert peer_factory.mailbox("waits").get(LONG) == pair[1].name
    pair[0].send("go", None)
    assert future.result(LONG)
    assert peer_factory.mailbox("ended").get(LONG) == pair[1].name


def test_task_of_the_test_gets_a_message(pair: PeerGroup, peer_factory: Any) -> None:
    box = peer_factory.mailbox("box")
    pair[0].cast(send, "box", 1)
    assert trio.run(partial(box.aget, LONG)) == 1
    with pytest.raises(TimeoutError, match=r"within 0\.05 s"):
        trio.run(partial(box.aget, 0.05))
