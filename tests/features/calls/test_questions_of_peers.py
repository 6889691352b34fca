"""A peer asks its origin for something during a call: a reply comes, whatever happens at the
origin."""

from __future__ import annotations

import gc
import os
import signal
import threading
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import Peer, PeerDown, here

down = threading.Event()


class Made:
    """Compared in a failing assert, and so sent to the origin, which makes it by the function."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __reduce__(self) -> Any:
        return self._function, (os.getpid(),)


def only_in(pid: int) -> Made:
    if os.getpid() != pid:
        raise SystemExit("not here")
    return Made(only_in)


def only_when_dead(pid: int) -> Made:
    os.kill(pid, signal.SIGKILL)
    down.wait(LONG)
    return Made(only_when_dead)


def compare(function: Any) -> None:
    assert Made(function) == "something else"


def test_comparison_that_the_origin_cannot_make_is_no_wait(peer: Peer) -> None:
    with pytest.raises(AssertionError, match="== 'something else'"):
        peer.call_within(LONG, compare, only_in)


@pytest.mark.peer(peer_down="continue")
def test_answer_for_a_peer_that_has_died_is_dropped(peer: Peer) -> None:
    with pytest.raises(PeerDown, match="SIGKILL"):
        peer.call_within(LONG, compare, only_when_dead)
    (worker,) = [each for each in threading.enumerate() if each.name == "pytest-peer-requests"]
    down.set()
    worker.join(LONG)  # what it raised would be a warning, and so fail this test
    assert not worker.is_alive()


class Careful:
    """In a cycle; its finalizer asks the origin for the text of a comparison."""

    def __init__(self) -> None:
        self.itself = self

    def __del__(self) -> None:
        try:
            assert [1] == [2]
        except AssertionError:
            finalized.set()


finalized = threading.Event()


def collect_in(step: str) -> None:
    """Let the garbage collector come in this step of the agent, on a thread of its own."""
    from pytest_peer_agent.link.protocol.unpatched import os as of_the_agent

    before = getattr(of_the_agent, step)

    def collecting(*args: Any) -> Any:
        if threading.current_thread() is not threading.main_thread():
            gc.collect()
        return before(*args)

    gc.disable()
    Careful()
    setattr(of_the_agent, step, collecting)


def send_and_wait() -> None:
    here.origin.send("big", bytes(1 << 22))
    assert finalized.wait(LONG) and down.wait(LONG)


@pytest.mark.parametrize("step", ["read", "writev"])
def test_finalizer_that_asks_holds_nothing_up(peer: Peer, peer_factory: Any, step: str) -> None:
    peer.call(collect_in, step)
    busy = peer.submit(send_and_wait)
    peer.call_within(LONG, down.set)
    assert len(peer_factory.mailbox("big").get(LONG)) == 1 << 22
    busy.result(LONG)
