"""A peer asks its origin for something during a call: a reply comes, whatever happens at the
origin."""

from __future__ import annotations

import os
import signal
import threading
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import Peer, PeerDown

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
