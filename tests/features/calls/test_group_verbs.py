"""A group has every verb of a peer: for all members at the same time, with results in order."""

from __future__ import annotations

import asyncio
import operator
import os
import signal
import sys
import threading
import time
from typing import Any

import pytest
from timeouts import AGES, LONG

from pytest_peer import CallTimeout, Peer, PeerDown, PeerGroup, here


def name() -> str:
    return here.name


def take(box: str) -> Any:
    return here.mailbox(box).get(LONG)


def fail_in(*names: str) -> None:
    if here.name in names:
        raise LookupError(here.name)


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> PeerGroup:
    """For tests that leave no call running and no peer dead."""
    return module_peer_factory.many(3, name="shared")


@pytest.fixture
def group(peer_factory: Any) -> PeerGroup:
    return peer_factory.many(3, name="rank", peer_down="continue")


# Parts of a group


def test_group_without_a_member(shared: PeerGroup) -> None:
    left = shared - shared[1]
    assert isinstance(left, PeerGroup)
    assert list(left) == [shared[0], shared[2]]


def test_group_without_several_members(shared: PeerGroup) -> None:
    assert list(shared - shared[:2]) == [shared[2]]
    assert list(shared - [shared[2], shared[0]]) == [shared[1]]


def test_who_is_no_member_cannot_be_taken_away(shared: PeerGroup) -> None:
    with pytest.raises(ValueError, match="no member"):
        shared[:1] - shared[2]
    with pytest.raises(TypeError):
        shared - 1  # type: ignore[operator]


def test_members_by_name(shared: PeerGroup) -> None:
    chosen = shared.only("shared-2", "shared-0")
    assert isinstance(chosen, PeerGroup)
    assert list(chosen) == [shared[2], shared[0]]


def test_name_of_no_member_is_an_error_that_lists_them(shared: PeerGroup) -> None:
    with pytest.raises(LookupError, match=r"shared-9; there are shared-0 to shared-2"):
        shared.only("shared-9")


# Calls


def test_call_within_is_everyone_s_limit(shared: PeerGroup) -> None:
    assert shared.call_within(LONG, operator.add, 1, 2) == [3, 3, 3]
    with pytest.raises(ExceptionGroup, match="3 of 3") as caught:
        shared.call_within(0, name)
    # One stands for those with equal stacks.
    late = [each for each in caught.value.exceptions if isinstance(each, CallTimeout)]
    assert len(late) + sum(len(each.others) for each in late) == 3


def test_send_reaches_everyone(shared: PeerGroup) -> None:
    shared.send("box", "hello")
    assert shared.call(take, "box") == ["hello"] * 3


def test_acall_returns_results_in_order(shared: PeerGroup) -> None:
    assert asyncio.run(shared.acall(name)) == [peer.name for peer in shared]


def test_failures_of_acall_are_a_group(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup, match="1 of 3 peers failed, shared-1") as caught:
        asyncio.run(shared.acall(fail_in, "shared-1"))
    assert [type(each) for each in caught.value.exceptions] == [LookupError]


def test_exit_of_a_function_is_a_failure_of_acall(shared: PeerGroup) -> None:
    with pytest.raises(BaseExceptionGroup, match="3 of 3"):
        asyncio.run(shared.acall(sys.exit, 3))


def test_acall_has_a_limit_for_all_at_the_same_time(peer_factory: Any) -> None:
    group = peer_factory.many(3, call_timeout=0.05)
    with pytest.raises(ExceptionGroup, match="3 of 3") as caught:
        asyncio.run(group.acall(time.sleep, AGES))
    assert all("within 0.05 s" in str(each) for each in caught.value.exceptions)


def test_cancelled_acall_cancels_the_coroutines(shared: PeerGroup) -> None:
    async def main() -> None:
        task = asyncio.create_task(shared.acall(sleep_and_tell))
        await asyncio.to_thread(lambda: [peer.stdout.wait_for("begun", LONG) for peer in shared])
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(main())
    for peer in shared:
        assert peer.stdout.wait_for("cancelled", LONG)
    assert shared.call(name) == [peer.name for peer in shared]


async def sleep_and_tell() -> None:
    print("begun")
    try:
        await asyncio.sleep(AGES)
    except asyncio.CancelledError:
        print("cancelled")
        raise


def test_stacks_come_in_order(shared: PeerGroup) -> None:
    futures = shared.submit(take, "end")
    stacks = shared.dump_stacks()
    assert len(stacks) == 3
    shared.send("end", None)
    assert [future.result(LONG) for future in futures] == [None] * 3


# Life and death


def test_pause_and_resume(group: PeerGroup) -> None:
    group.pause()
    assert all("paused" in repr(peer) for peer in group)
    group.resume()
    assert group.call(name) == [peer.name for peer in group]


def test_restart_starts_everyone_again(group: PeerGroup) -> None:
    before = group.call(os.getpid)
    assert group.restart() is group
    assert not set(group.call(os.getpid)) & set(before)


def test_restart_changes_everyone_s_options(group: PeerGroup) -> None:
    group.restart(env={"TERM": "dumb"})
    assert group.call(os.getenv, "TERM") == ["dumb"] * 3


def test_wait_down_returns_the_reasons_in_order(group: PeerGroup) -> None:
    for status, peer in enumerate(group, 3):
        peer.cast(os._exit, status)
    assert [reason.exit_status for reason in group.wait_down(LONG)] == [3, 4, 5]


def test_failures_of_wait_down_are_one_group(group: PeerGroup) -> None:
    group[1].kill()
    with pytest.raises(ExceptionGroup, match="2 of 3 peers failed") as caught:
        group.wait_down(0.01)
    assert all(isinstance(each, TimeoutError) for each in caught.value.exceptions)


def test_kill_with_another_signal(group: PeerGroup) -> None:
    group.kill(signal.SIGTERM)
    assert {reason.signal for reason in group.wait_down(LONG)} == {signal.SIGTERM}


def test_expected_deaths_of_all_members(peer_factory: Any) -> None:
    group = peer_factory.many(3)
    with group.expect_death(LONG) as same:
        assert same is group
        group.cast(os._exit, 3)
    assert [peer.down_reason.exit_status for peer in group] == [3, 3, 3]


def test_members_that_live_on_are_the_failures(peer_factory: Any) -> None:
    group = peer_factory.many(3, name="rank")
    with pytest.raises(ExceptionGroup, match="2 of 3 peers failed"), group.expect_death(0.2):
        group[1].cast(os._exit, 3)


def test_dead_member_cannot_be_expected_to_die(group: PeerGroup) -> None:
    group[1].kill()
    fails = pytest.raises(ExceptionGroup, match="1 of 3 peers failed, rank-1")
    with fails as caught, group.expect_death():
        pass
    assert isinstance(caught.value.exceptions[0], PeerDown)


def test_exception_leaves_the_block_of_expected_deaths(group: PeerGroup) -> None:
    with pytest.raises(LookupError), group.expect_death(LONG):
        raise LookupError
    assert group.call(name) == [peer.name for peer in group]


@pytest.mark.parametrize("verb", ["dump_stacks", "pause", "resume", "restart", "wait_down"])
def test_members_act_at_the_same_time(
    shared: PeerGroup, verb: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(3)
    monkeypatch.setattr(Peer, verb, lambda *_, **__: together.wait(LONG))
    getattr(shared, verb)()
