"""The error of each wait in vain tells where the peers are, and the cycle in which they wait."""

from __future__ import annotations

import asyncio
import fcntl
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from occupations import hold_the_gil
from timeouts import LONG

from pytest_peer import (
    BarrierBroken,
    InterleavingStuck,
    PeerGroup,
    PointNotReached,
    here,
    interleavings,
)

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of /proc")

_kept: list[Any] = []


def hold(path: Path) -> None:
    _kept.append(path.open("w"))
    fcntl.flock(_kept[-1], fcntl.LOCK_EX)


def take(path: Path) -> None:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def never() -> None:
    raise AssertionError


def wait_and_call(name: str, path: Path) -> None:
    here.peer(name).call(take, path)


@pytest.fixture
def hung(peer_factory: Any, tmp_path: Path) -> PeerGroup:
    """One calls the other, which waits for its lock."""
    group: PeerGroup = peer_factory.many(2, name="peer", shutdown=("halt", 0))
    group[1].call(hold, tmp_path / "x")
    group[1].submit(wait_and_call, "peer-0", tmp_path / "x").wait_blocked(LONG)
    group.settle(LONG)
    return group


def reach(group: PeerGroup, limit: float) -> None:
    with group[0].hold_at(never, required=False) as point:
        point.wait(limit)


def expect_death(group: PeerGroup, limit: float) -> None:
    with group[0].expect_death(limit):
        pass


WAITS: dict[str, tuple[type[Exception], Callable[[Any, PeerGroup, float], object]]] = {
    "mailbox": (TimeoutError, lambda factory, _, limit: factory.mailbox("box").get(limit)),
    "mark": (TimeoutError, lambda factory, _, limit: factory.wait_mark("here", limit)),
    "barrier": (BarrierBroken, lambda factory, _, limit: factory.barrier("all", 3, limit)),
    "point": (PointNotReached, lambda _, group, limit: reach(group, limit)),
    "output": (TimeoutError, lambda _, group, limit: group[0].stdout.wait_for("ready", limit)),
    "end": (TimeoutError, lambda _, group, limit: group[0].wait_down(limit)),
    "death": (TimeoutError, lambda _, group, limit: expect_death(group, limit)),
}


@pytest.mark.parametrize("wait", WAITS)
def test_wait_tells_the_stack_and_the_cycle(hung: PeerGroup, peer_factory: Any, wait: str) -> None:
    raised, begin = WAITS[wait]
    with pytest.raises(raised) as caught:
        begin(peer_factory, hung, 0.2)
    text = str(caught.value)
    assert "Deadlock:\npeer-" in text
    assert "peer-1 waits for call peer-0, which peer-0 has" in text
    assert "blocked on flock" in text
    assert "in take" in text


@pytest.mark.usefixtures("hung")
def test_task_that_waits_is_told_as_well(peer_factory: Any) -> None:
    with pytest.raises(TimeoutError, match=r"(?s)no message.*Deadlock:.*in take"):
        asyncio.run(peer_factory.mailbox("box").aget(0.2))


def test_service_tells_it_too(hung: PeerGroup) -> None:
    late = pytest.raises(TimeoutError, match=r"(?s)was not written.*Deadlock:")
    with hung[0].running(time.sleep, LONG) as service, late:
        service.wait_for("ready", 0.2)


def test_order_that_hangs_tells_where(peer_factory: Any, tmp_path: Path) -> None:
    order, _ = interleavings(s1=[wait_for_itself], s2=[never])
    group = peer_factory.many(2, name="s", shutdown=("halt", 0))
    group.map(take, [tmp_path / "x", tmp_path / "y"])  # they import this module
    with pytest.raises(InterleavingStuck, match=r"(?s)no step has ended.*in wait_for_itself"):
        order.run(group, timeout=3)


def wait_for_itself() -> None:
    lock = threading.Lock()
    lock.acquire()
    lock.acquire()


def test_equal_stacks_are_told_once(peer_factory: Any) -> None:
    peer_factory.many(3, name="peer")
    with pytest.raises(TimeoutError) as caught:
        peer_factory.mailbox("box").get(0.2)
    assert str(caught.value).splitlines()[1:] == [
        *("peer-0, peer-1, peer-2:", "Thread MainThread:", "  waits for a call")
    ]


def test_who_only_looks_is_told_nothing(peer_factory: Any) -> None:
    peer_factory(name="peer")
    with pytest.raises(TimeoutError) as caught:
        peer_factory.mailbox("box").get(0)
    assert str(caught.value) == "no message in mailbox 'box' within 0 s"


def test_peers_that_cannot_answer_take_little_time(peer_factory: Any) -> None:
    group = peer_factory.many(3, name="peer", shutdown=("halt", 0))
    group.submit(hold_the_gil, "sleep 600")
    for peer in group:
        peer.stdout.wait_for("holding", LONG)
    begun = time.monotonic()
    with pytest.raises(TimeoutError, match="in hold_the_gil"):
        peer_factory.mailbox("box").get(0.2)
    assert time.monotonic() - begun < LONG / 3
    group.kill()


def test_report_does_not_repeat_what_the_error_tells(inner: Any) -> None:
    inner.write("""
        import threading

        def waits():
            threading.Event().wait()

        @pytest.mark.peer(shutdown=("halt", 0))
        def test_hangs(peer, peer_factory):
            peer.submit(waits)
            peer_factory.mailbox("box").get(1)
        """)
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *no message in mailbox 'box' within 1 s", "E *in waits"])
    assert "Captured stacks" not in result.stdout.str()
