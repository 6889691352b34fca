"""`acall`: calls that an event loop of the test awaits."""

from __future__ import annotations

import asyncio
import gc
import operator
import os
import sys
import threading
import types
from typing import Any

import pytest
from mailbox_calls import take
from timeouts import LONG

from pytest_peer import CallTimeout, Peer, PeerDown


class OwnError(Exception):
    """An exception that only this module has."""


def fail(*args: object) -> None:
    raise OwnError(*args)


meeting = threading.Barrier(2)


def meet() -> int:
    return meeting.wait(LONG)


async def twice(value: Any) -> Any:
    await asyncio.sleep(0)
    return value * 2


def test_acall_returns_the_value(shared: Peer) -> None:
    assert asyncio.run(shared.acall(operator.add, 1, 2)) == 3


def test_acall_of_a_coroutine_function(shared: Peer) -> None:
    assert asyncio.run(shared.acall(twice, 2)) == 4


def test_acall_raises_the_exception(shared: Peer) -> None:
    with pytest.raises(OwnError, match="no"):
        asyncio.run(shared.acall(fail, "no"))


def test_acall_that_raises_leaves_nothing_in_the_log(
    shared: Peer, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(OwnError):
        asyncio.run(shared.acall(fail))
    gc.collect()
    assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []


def test_acalls_run_side_by_side(shared: Peer) -> None:
    async def main() -> list[Any]:
        return await asyncio.gather(shared.acall(meet), shared.acall(meet))

    assert sorted(asyncio.run(main())) == [0, 1]


def test_acall_while_trio_is_being_imported(shared: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "trio", types.ModuleType("trio"))
    assert asyncio.run(shared.acall(operator.add, 1, 2)) == 3


def test_acall_does_not_block_the_loop(shared: Peer) -> None:
    async def main() -> int:
        call = asyncio.create_task(shared.acall(take, "unblocked"))
        await asyncio.sleep(0)
        shared.send("unblocked", 7)  # by the loop's thread
        return await call

    assert asyncio.run(main()) == 7


def test_acall_obeys_the_option_call_timeout(peer_factory: Any) -> None:
    peer = peer_factory(call_timeout=0.05)
    with pytest.raises(CallTimeout, match=r"within 0\.05 s"):
        asyncio.run(peer.acall(take, "never"))


def test_cancelled_acall_leaves_the_link_usable(peer: Peer) -> None:
    async def main() -> Any:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(peer.acall(take, "cancelled"), 0.01)
        peer.send("cancelled", 1)
        return await peer.acall(operator.add, 1, 2)

    assert asyncio.run(main()) == 3


def test_acall_of_what_raises_stop_iteration_does_not_hang(shared: Peer) -> None:
    async def main() -> None:
        await asyncio.wait_for(shared.acall(next, iter([])), LONG)

    with pytest.raises(RuntimeError, match="StopIteration"):  # as of any coroutine
        asyncio.run(main())


def test_acall_to_a_dead_peer_is_an_error(dead: Peer) -> None:
    with pytest.raises(PeerDown):
        asyncio.run(dead.acall(os.getpid))
