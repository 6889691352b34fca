"""Failures of group members are raised as an exception group."""

from __future__ import annotations

import operator
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from timeouts import LONG, SOON

from pytest_peer import CallTimeout, EncodeError, PeerDown, PeerGroup, here
from pytest_peer.evidence.stacks import Stacks


class OwnError(Exception):
    pass


def name() -> str:
    return here.name


def fail_in(*names: str) -> str:
    if here.name in names:
        raise OwnError(here.name)
    return here.name


def exit_in(*names: str) -> None:
    if here.name in names:
        sys.exit(3)


def report_and_take(box: str) -> Any:
    here.origin.send("runs", here.name)
    return here.mailbox(box).get(LONG)


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> PeerGroup:
    """For tests that leave no call running and no peer dead."""
    return module_peer_factory.many(3, name="shared")


@pytest.fixture
def group(peer_factory: Any) -> PeerGroup:
    return peer_factory.many(3, name="rank", peer_down="continue")


def test_one_failure_is_a_group(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup, match="1 of 3") as caught:
        shared.call(fail_in, "shared-1")
    (failure,) = caught.value.exceptions
    assert isinstance(failure, OwnError)
    assert failure.args == ("shared-1",)


def test_different_failures_are_all_there(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup, match="2 of 3") as caught:
        shared.call(fail_in, "shared-2", "shared-0")
    found = {failure.args for failure in caught.value.exceptions}
    assert found == {("shared-0",), ("shared-2",)}


def test_failures_say_which_peer(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.map(operator.add, [1, 1, 1], [1, "text", {}])
    for failure, name in zip(
        sorted(caught.value.exceptions, key=str), ("shared-2", "shared-1"), strict=True
    ):
        assert isinstance(failure, TypeError)
        assert any(name in note for note in failure.__notes__)


def test_one_stands_for_equal_failures_and_names_the_others(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup, match="3 of 3 peers failed, first shared-") as caught:
        shared.call(operator.truediv, 1, 0)
    (failure,) = caught.value.exceptions
    assert isinstance(failure, ZeroDivisionError)
    notes = " ".join(failure.__notes__)
    assert all(peer.name in notes for peer in shared)


def test_earliest_is_the_first_and_in_the_text(peer_factory: Any) -> None:
    group = peer_factory.many(3, name="rank", call_timeout=3)
    group.call(name)  # they import this module before the limit begins
    with pytest.raises(ExceptionGroup) as caught:
        group.call(fail_in_or_wait, "rank-2")
    assert str(caught.value).startswith("3 of 3 peers failed, first rank-2: OwnError: rank-2")
    assert [type(failure) for failure in caught.value.exceptions] == [OwnError, CallTimeout]
    assert caught.value.exceptions[1].others == ("rank-1",)


def fail_in_or_wait(name: str) -> None:
    fail_in(name)
    here.mailbox("never").get(LONG)


def test_death_comes_before_what_it_causes(group: PeerGroup, tmp_path: Path) -> None:
    pipes = [tmp_path / "0", tmp_path / "1"]
    for pipe in pipes:
        os.mkfifo(pipe)
    with pytest.raises(ExceptionGroup) as caught:
        group.map(read_or_die, [pipes[:1], pipes[1:], pipes], [os.O_RDONLY] * 2 + [os.O_WRONLY])
    assert str(caught.value).startswith("3 of 3 peers failed, first rank-2: exited with status 3")
    assert [type(failure) for failure in caught.value.exceptions] == [PeerDown, EOFError]


def read_or_die(pipes: list[Path], how: int) -> None:
    fds = [os.open(pipe, how) for pipe in pipes]  # waits for the other end
    if how == os.O_WRONLY:
        os._exit(3)
    os.read(fds[0], 1)
    raise EOFError


def test_failures_can_be_caught_by_class(shared: PeerGroup) -> None:
    caught: list[str] = []
    try:
        shared.call(fail_in, "shared-0", "shared-1")
    except* OwnError as failures:
        caught += [str(failure) for failure in failures.exceptions]
    assert sorted(caught) == ["shared-0", "shared-1"]  # which was first, nobody knows


def test_failures_of_map_are_a_group(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.map(operator.truediv, [1, 1, 1], [1, 0, 1])
    (failure,) = caught.value.exceptions
    assert any("shared-1" in note for note in failure.__notes__)


def test_exit_of_a_function_is_a_failure_like_others(shared: PeerGroup) -> None:
    with pytest.raises(BaseExceptionGroup, match="1 of 3") as caught:
        shared.call(exit_in, "shared-1")
    (failure,) = caught.value.exceptions
    assert isinstance(failure, SystemExit)
    assert failure.code == 3


def test_argument_that_cannot_be_sent_is_everyone_s_failure(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup, match="3 of 3") as caught:
        shared.call(repr, threading.Lock())
    assert [type(failure) for failure in caught.value.exceptions] == [EncodeError]


def test_failures_of_cast_are_a_group(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.cast(repr, threading.Lock())
    assert [type(failure) for failure in caught.value.exceptions] == [EncodeError]


@pytest.mark.parametrize("verb", ["call", "cast"])
def test_dead_member_is_a_failure_that_says_which(group: PeerGroup, verb: str) -> None:
    group[1].kill()
    with pytest.raises(ExceptionGroup) as caught:
        getattr(group, verb)(os.getpid)
    (failure,) = caught.value.exceptions
    assert isinstance(failure, PeerDown)
    assert "rank-1" in str(failure)


def test_member_that_dies_during_the_call_is_a_failure(group: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        group.map(os.kill, [os.getpid(), group[1].pid, os.getpid()], [0, signal.SIGKILL, 0])
    (failure,) = caught.value.exceptions
    assert isinstance(failure, PeerDown)
    assert failure.reason.signal == signal.SIGKILL


def test_limit_is_everyone_s_at_the_same_time(peer_factory: Any) -> None:
    group = peer_factory.many(3, name="rank", call_timeout=0.05)
    with pytest.raises(ExceptionGroup) as caught:
        group.call(report_and_take, "never")
    assert {type(failure) for failure in caught.value.exceptions} == {CallTimeout}
    found = [failure for failure in caught.value.exceptions if isinstance(failure, CallTimeout)]
    assert all("within 0.05 s" in str(failure) for failure in found)
    # At first some may have been about to begin.
    assert len(found) + sum(len(failure.others) for failure in found) == 3


def test_limits_of_members_do_not_add_up(peer_factory: Any) -> None:
    group = peer_factory.many(5, call_timeout=2)
    started = time.monotonic()
    with pytest.raises(ExceptionGroup):
        group.call(report_and_take, "never")
    assert time.monotonic() - started < SOON  # the stacks may take 4 s


def test_members_work_on_after_a_failure(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup):
        shared.call(fail_in, "shared-0")
    assert shared.call(name) == [peer.name for peer in shared]


def test_stacks_of_late_members_are_taken_at_the_same_time(
    peer_factory: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(2)
    monkeypatch.setattr(Stacks, "record", lambda *_: f"{together.wait(LONG)} stacks")
    group = peer_factory.many(2, call_timeout=0)
    with pytest.raises(ExceptionGroup, match="2 of 2") as caught:
        group.call(report_and_take, "never")
    found = [exc.stacks for exc in caught.value.exceptions if isinstance(exc, CallTimeout)]
    assert sorted(found) == ["0 stacks", "1 stacks"]
