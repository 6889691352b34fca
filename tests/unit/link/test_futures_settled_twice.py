"""A future that two threads settle: the one that reads, and the one that has seen the death."""

from __future__ import annotations

import pytest

from pytest_peer import PeerDown
from pytest_peer.link.futures import PeerFuture


def future() -> PeerFuture:
    return PeerFuture(lambda: "peer 'db'", lambda limit: pytest.fail(f"waited {limit} s"), bool)


@pytest.mark.parametrize("began", [True, False])
def test_second_failure_is_dropped(began: bool) -> None:
    settled = future()
    if began:
        settled.set_running_or_notify_cancel()
    settled.fail(PeerDown("first"))
    settled.fail(PeerDown("second"))
    with pytest.raises(PeerDown, match="first"):
        settled.result(0)


def test_failure_of_a_cancelled_call_is_dropped() -> None:
    settled = future()
    assert settled.cancel()
    settled.fail(PeerDown("late"))
    assert settled.cancelled()
