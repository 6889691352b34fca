"""Barriers that break, at once and for all."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import barrier_calls
import children
import pytest
from inner_pytest import Inner
from mailbox_calls import take
from timeouts import LONG

from pytest_peer import BarrierBroken, Peer, PeerError, PeerGroup, eventually, here

LIMIT = 600.0  # which nobody waits for


def wchan(pid: int) -> str:
    """Return the function of the kernel in which a process waits."""
    return Path(f"/proc/{pid}/wchan").read_text()


@pytest.fixture
def three(peer_factory: Any) -> PeerGroup:
    group: PeerGroup = peer_factory.many(3, name="party")
    return group


def waiting(factory: Any, peers: PeerGroup, parties: int) -> list[Any]:
    """Let peers come, one after the other, and wait until they have."""
    futures = []
    for peer in peers:
        futures.append(peer.submit(barrier_calls.outcome, "b", parties, LIMIT))
        factory.wait_mark("has come", LONG, by=peer.name)
    return futures


def test_death_of_who_has_come_breaks_it(three: PeerGroup, peer_factory: Any) -> None:
    futures = waiting(peer_factory, three[:2], 3)
    three[0].kill()
    text, came, missing, stacks = futures[1].result(LONG)
    assert "party-0 had come and ended: killed by SIGKILL" in text
    assert came == ("party-0", "party-1")
    assert missing == ("party-2",)
    assert "party-2:\n" in stacks


def test_death_of_an_earlier_namesake_does_not_matter(peer_factory: Any) -> None:
    """The last of that name was stopped, so its place is no longer counted among the peers'."""
    one, died = peer_factory(name="one"), peer_factory(name="other", peer_down="continue")
    os.kill(died.pid, signal.SIGKILL)
    assert died.wait_down(LONG)
    peer_factory(name="other").stop()
    future = one.submit(barrier_calls.outcome, "b", 2, LIMIT)
    peer_factory.wait_mark("has come", LONG, by="one")
    peer_factory.barrier("b", 2, LONG)
    assert future.result(LONG) == "open"


@pytest.mark.parametrize("end", [Peer.kill, Peer.stop])
def test_end_of_who_is_needed_breaks_it(
    three: PeerGroup, peer_factory: Any, end: Callable[[Peer], None]
) -> None:
    futures = waiting(peer_factory, three[:2], 3)
    end(three[2])
    for future in futures:
        text, _, missing, _ = future.result(LONG)
        assert text.startswith("barrier 'b' is broken: too few are left: party-2 ended: ")
        assert missing == ("party-2",)


def test_end_of_who_is_not_needed_does_not_matter(three: PeerGroup, peer_factory: Any) -> None:
    futures = waiting(peer_factory, three[:1], 2)
    three[2].kill()
    three[1].call(barrier_calls.come, "b", 2)
    assert futures[0].result(LONG) == "open"


def test_restart_of_who_has_not_come_does_not_matter(three: PeerGroup, peer_factory: Any) -> None:
    futures = waiting(peer_factory, three[:2], 3)
    three[2].restart()
    three[2].call(barrier_calls.come, "b", 3)
    assert [future.result(LONG) for future in futures] == ["open", "open"]


def test_limit_of_one_breaks_it_for_all(three: PeerGroup, peer_factory: Any) -> None:
    futures = waiting(peer_factory, three[:1], 3)
    three[2].submit(take, "never")
    text = three[1].call(barrier_calls.outcome, "b", 3, 0.3)[0]
    assert "party-1 waited for 0.3 s; of 3 parties 2 had come: party-0, party-1" in text
    other, came, missing, stacks = futures[0].result(LONG)
    assert other == text
    assert (came, missing) == (("party-0", "party-1"), ("party-2",))
    assert "mailbox_calls.py" in stacks


def test_limit_of_the_test_breaks_it(three: PeerGroup, peer_factory: Any) -> None:
    futures = waiting(peer_factory, three[:1], 3)
    with pytest.raises(BarrierBroken, match=r"the test waited for 0\.1 s") as caught:
        peer_factory.barrier("b", 3, 0.1)
    assert isinstance(caught.value, PeerError)
    assert "not come: party-1, party-2\nparty-1, party-2:\n" in str(caught.value)
    assert "the test waited" in futures[0].result(LONG)[0]


def come_at_a_prompt(seconds: float) -> float:
    """Come with a short limit while a debugger has a prompt; return after which time it broke."""
    from pytest_peer_agent.core.clock import standstill

    standstill.begin("prompt")
    threading.Timer(seconds, standstill.end, ["prompt"]).start()
    begin = time.monotonic()
    with pytest.raises(BarrierBroken):
        here.barrier("b", 2, 0.1)
    return time.monotonic() - begin


def test_no_limit_passes_while_a_debugger_has_a_prompt(peer: Peer) -> None:
    assert peer.call(come_at_a_prompt, 0.6) > 0.6


def test_different_numbers_break_it(three: PeerGroup, peer_factory: Any) -> None:
    futures = waiting(peer_factory, three[:1], 3)
    with pytest.raises(BarrierBroken, match="the test came for 2 parties, party-0 for 3"):
        peer_factory.barrier("b", 2, LONG)
    assert "the test came for 2" in futures[0].result(LONG)[0]


def test_broken_one_stays_broken(three: PeerGroup, peer_factory: Any) -> None:
    with pytest.raises(BarrierBroken, match="the test waited"):
        peer_factory.barrier("b", 2, 0)
    for late in three:
        text, came, missing, _ = late.call(barrier_calls.outcome, "b", 2)
        assert "the test waited for 0 s" in text
        assert (came, len(missing)) == (("the test",), 3)
    with pytest.raises(BarrierBroken, match="the test waited"):
        peer_factory.barrier("b", 2)


def test_unasked_death_before_the_first_comes_breaks_it(
    peer_factory: Any,
) -> None:
    group = peer_factory.many(2, name="party", peer_down="continue")
    group[1].cast(os._exit, 3)
    group[1].wait_down(LONG)
    text = group[0].call(barrier_calls.outcome, "b", 2)[0]
    assert "too few are left, party-1 had ended" in text
    assert "party-1 (exited with status 3)" in text


OTHER_TEST = """
import os
from pytest_peer import here

@pytest.fixture(scope="module")
def three(module_peer_factory):
    return module_peer_factory.many(3, peer_down="continue")

def test_one_dies(three):
    three[2].cast(os._exit, 3)
    three[2].wait_down(20)

def test_others_meet_the_test(three, module_peer_factory):
    futures = three[:2].submit(here.barrier, "b", 3, 20)
    module_peer_factory.barrier("b", 3, 20)
    assert [future.result(20) for future in futures] == [None, None]
"""


END = """
from pytest_peer import here

def test_leaves_peers_at_a_barrier(peer_factory):
    group = peer_factory.many(2)
    group[0].submit(here.barrier, "b", 2, 20).wait_blocked()

def test_leaves_a_peer_with_a_call(peer_factory):
    group = peer_factory.many(2)
    group[0].submit(call, group[1])

def call(other):
    other.call(input)
"""


@pytest.mark.parametrize("_", range(3))
def test_break_by_the_end_of_the_test_is_no_failure(inner: Inner, _: int) -> None:
    inner.write(END)
    inner.run().assert_outcomes(passed=2)


def test_death_in_another_test_does_not_matter(inner: Inner) -> None:
    inner.write(OTHER_TEST)
    inner.run().assert_outcomes(passed=2)


def test_cancelled_wait_breaks_it(three: PeerGroup, peer_factory: Any) -> None:
    futures = waiting(peer_factory, three[:1], 3)

    async def give_up() -> None:
        await asyncio.wait_for(here.abarrier("b", 3, None), 0.1)

    with pytest.raises(TimeoutError):
        three[1].call(give_up)
    assert "party-1 has given up" in futures[0].result(LONG)[0]


def test_interrupted_wait_breaks_it(three: PeerGroup, peer_factory: Any) -> None:
    futures = waiting(peer_factory, three[:2], 3)
    three[0].kill(signal.SIGINT)
    assert "party-0 has given up" in futures[1].result(LONG)[0]
    assert isinstance(futures[0].exception(LONG), PeerError)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")
def test_death_of_a_process_of_a_peer_breaks_it(three: PeerGroup, peer_factory: Any) -> None:
    def start() -> int:
        pid = os.fork()
        if not pid:
            here.barrier("b", 3, LIMIT)
        return pid

    pid = three[0].call(start)
    eventually(lambda: wchan(pid).startswith("unix_stream"), LONG)  # it waits for the answer
    futures = waiting(peer_factory, three[1:2], 3)
    os.kill(pid, signal.SIGKILL)
    text, came, _, _ = futures[0].result(LONG)
    assert f"party-0 (process {pid}) has given up" in text
    # It has asked its peer, which may have passed that on later than the other one came.
    assert sorted(came) == [f"party-0 (process {pid})", "party-1"]
    three[0].call(os.waitpid, pid, 0)


@pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")
def test_limit_counts_in_a_process_of_a_peer(peer: Peer) -> None:
    def come_late() -> None:
        children.forked(_expect_break)

    peer.call(come_late)


def _expect_break() -> None:
    text, came, _, _ = asyncio.run(barrier_calls.outcome("b", 2, 0.1))
    assert "waited for 0.1 s" in text
    assert came == (f"{here.name} (process {os.getpid()})",)
