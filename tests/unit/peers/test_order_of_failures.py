"""The failures of a group come in the order of time, whenever the origin has learned of them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_peer import CallTimeout, PeerDown
from pytest_peer.core.down_reason import DownReason
from pytest_peer.peers.group_failures import Failure, raise_for


def failure(index: int, text: str, when: float) -> Failure:
    record = SimpleNamespace(whom=lambda: f"peer 'rank-{index}' (pid {index})")
    options = SimpleNamespace(name=f"rank-{index}")
    life: Any = SimpleNamespace(options=options, record=record)
    return Failure(index, life, ValueError(text), when)


def death(index: int, begun: float, when: float, *, asked: bool = False) -> Failure:
    reason = DownReason("exited", 3)
    dead = failure(index, "", when)
    dead.exc = PeerDown(f"{dead.life.record.whom()} is down", reason)
    vars(dead.life.record).update(reason=reason, end_begun=begun)
    vars(dead.life)["died_unasked"] = not asked
    return dead


def raised(*failures: Failure) -> BaseExceptionGroup[Any]:
    with pytest.raises(BaseExceptionGroup) as caught:
        raise_for(failures, 3)
    return caught.value


def test_earliest_is_the_first() -> None:
    group = raised(failure(0, "late", 2.0), failure(1, "early", 1.0))
    assert group.message == "2 of 3 peers failed, first rank-1: ValueError: early"
    assert [str(exc) for exc in group.exceptions] == ["early", "late"]


def test_only_one_is_not_called_the_first() -> None:
    assert raised(failure(1, "", 1.0)).message == "1 of 3 peers failed, rank-1: ValueError"


def test_death_counts_from_its_first_sign() -> None:
    group = raised(failure(0, "because of it", 1.5), death(1, begun=1.0, when=2.0))
    assert group.message == "2 of 3 peers failed, first rank-1: exited with status 3"


def test_death_that_was_seen_a_moment_later_is_the_cause() -> None:
    group = raised(failure(0, "because of it", 1.0), death(1, begun=1.05, when=2.0))
    assert group.message.startswith("2 of 3 peers failed, first rank-1: exited")


@pytest.mark.parametrize(("begun", "asked"), [(1.5, False), (1.05, True)])
def test_other_death_is_not(begun: float, asked: bool) -> None:
    group = raised(failure(0, "before", 1.0), death(1, begun, 2.0, asked=asked))
    assert group.message.startswith("2 of 3 peers failed, first rank-0: ValueError: before")


def test_one_stands_for_those_that_are_equal() -> None:
    every = [failure(0, "peer 'rank-0' (pid 0) has 0x12", 2.0)]
    every += [failure(1, "peer 'rank-1' (pid 1) has 0x34", 1.0), failure(2, "other", 3.0)]
    first, second = raised(*every).exceptions
    assert (str(first), str(second)) == ("peer 'rank-1' (pid 1) has 0x34", "other")
    assert first.__notes__ == ["the same in rank-0"]


def late(index: int, stacks: str) -> Failure:
    timed_out = failure(index, "", 1.0)
    text = f"no answer from {timed_out.life.record.whom()} within 1 s"
    timed_out.exc = CallTimeout(text, stacks)
    return timed_out


def test_timeouts_are_equal_whatever_each_waits_for() -> None:
    frame = '  File "/me/test_it.py", line 3, in vote'
    every = [
        late(0, f"Thread MainThread blocked on recv 127.0.0.1:1 (most recent call last):\n{frame}"),
        late(1, f"Thread MainThread blocked on recv 127.0.0.1:2 (most recent call last):\n{frame}"),
        late(2, f"Thread MainThread (most recent call last):\n{frame}s"),
    ]
    first, other = raised(*every).exceptions
    assert (first.others, other.others) == (("rank-1",), ())


def test_others_are_listed_in_the_order_of_the_group() -> None:
    every = [failure(index, "equal", 4.0 - index) for index in range(4)]
    (only,) = raised(*every).exceptions
    assert "the same in rank-0 to rank-2" in only.__notes__


def test_no_failure_raises_nothing() -> None:
    raise_for([], 3)
