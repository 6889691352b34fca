"""Several peers at once."""

from __future__ import annotations

import operator
import os
import signal
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_peer import CallTimeout
from pytest_peer import EncodeError
from pytest_peer import ExecNotFound
from pytest_peer import NameInUse
from pytest_peer import Peer
from pytest_peer import PeerDown
from pytest_peer import PeerGroup
from pytest_peer import eventually
from pytest_peer import here

LONG = 30.0  # for what has to come, on a busy machine too


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


def report(*args: object) -> None:
    here.origin.send("report", (here.name, *args))


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> PeerGroup:
    """For tests that leave nothing running and nobody dead."""
    return module_peer_factory.many(3, name="shared")


@pytest.fixture
def group(peer_factory: Any) -> PeerGroup:
    return peer_factory.many(3, name="rank", peer_down="continue")


# A sequence


def test_group_is_a_sequence_of_peers(shared: PeerGroup) -> None:
    assert isinstance(shared, Sequence)
    assert len(shared) == 3
    assert all(isinstance(peer, Peer) for peer in shared)
    assert shared[0] in shared
    assert shared.index(shared[2]) == 2
    assert shared[-1] is shared[2]


def test_slice_of_a_group_is_a_group(shared: PeerGroup) -> None:
    assert isinstance(shared[1:], PeerGroup)
    assert list(shared[1:]) == [shared[1], shared[2]]
    assert shared[1:].call(name) == ["shared-1", "shared-2"]


def test_group_can_be_unpacked(shared: PeerGroup) -> None:
    one, *others = shared
    assert [one, *others] == list(shared)


def test_repr_of_a_group_names_its_members(shared: PeerGroup) -> None:
    assert all(repr(peer) in repr(shared) for peer in shared)


def test_index_beyond_the_group_is_an_index_error(shared: PeerGroup) -> None:
    with pytest.raises(IndexError):
        shared[3]


# Starting


def test_name_is_a_prefix(shared: PeerGroup) -> None:
    assert [peer.name for peer in shared] == ["shared-0", "shared-1", "shared-2"]


def test_names_are_made_where_none_is_given(peer_factory: Any) -> None:
    names = [peer.name for peer in peer_factory.many(2)]
    assert len(set(names)) == 2
    assert all("test_names_are_made" in each for each in names)


def test_peers_of_a_group_are_processes_of_their_own(shared: PeerGroup) -> None:
    pids = shared.call(os.getpid)
    assert pids == [peer.pid for peer in shared]
    assert len({*pids, os.getpid()}) == 4


def test_options_are_everyone_s(peer_factory: Any) -> None:
    group = peer_factory.many(2, env={"MARK": "set"}, call_timeout=7)
    assert group.call("os:environ.get", "MARK") == ["set", "set"]
    assert [peer.options.call_timeout for peer in group] == [7, 7]


def test_peers_boot_at_the_same_time(peer_factory: Any, tmp_path: Path) -> None:
    """Each boots only when all have been started."""
    present, go = tmp_path / "present", tmp_path / "go"
    for path in (present, go):
        os.mkfifo(path)
    script = f'echo here >{present}; read _ <{go}; exec "$@"'

    def let_go() -> None:
        with open(os.open(present, os.O_RDWR), "rb", buffering=0) as arrivals:
            for _ in range(3):
                arrivals.read(len("here\n"))
        with open(os.open(go, os.O_RDWR), "wb", buffering=0) as starts:
            starts.write(b"\n" * 3)
            over.wait(LONG)

    over = threading.Event()
    usher = threading.Thread(target=let_go)
    usher.start()
    group = peer_factory.many(3, exec=["sh", "-c", script, "sh", sys.executable])
    over.set()
    usher.join(LONG)
    assert len(set(group.call(os.getpid))) == 3


def test_empty_group(peer_factory: Any) -> None:
    group = peer_factory.many(0)
    assert list(group) == []
    assert group.call(os.getpid) == []
    group.cast(os.getpid)
    group.stop()
    group.kill()


def test_peer_that_does_not_boot_fails_the_group_and_stops_the_others(peer_factory: Any) -> None:
    def break_one(argv: list[str]) -> list[str]:
        return ["sh", "-c", "exit 7"] if argv[-1].startswith("rank-1@") else argv

    with pytest.raises(ExceptionGroup, match="1 of 3") as caught:
        peer_factory.many(3, name="rank", post_process_args=break_one)
    (failure,) = caught.value.exceptions
    assert "rank-1" in str(failure)
    assert failure.exit_status == 7
    assert peer_factory(name="rank-0").state == "running"


def test_peers_that_do_not_boot_are_all_told(peer_factory: Any) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        peer_factory.many(3, name="rank", exec=["sh", "-c", "exit 7"])
    assert len(caught.value.exceptions) == 3


def test_name_in_use_stops_the_others(peer_factory: Any) -> None:
    taken = peer_factory(name="rank-1")
    with pytest.raises(ExceptionGroup) as caught:
        peer_factory.many(3, name="rank")
    assert caught.group_contains(NameInUse, match="rank-1")
    assert taken.state == "running"
    assert peer_factory(name="rank-0").state == "running"


def test_missing_program_leaves_nothing_behind(peer_factory: Any) -> None:
    for _ in range(2):
        with pytest.raises(ExceptionGroup) as caught:
            peer_factory.many(2, name="rank", exec="no-such-program")
        assert [type(failure) for failure in caught.value.exceptions] == [ExecNotFound] * 2


def test_group_may_boot_unattended(peer_factory: Any) -> None:
    group = peer_factory.many(2, wait_boot=False)
    assert group.call(os.getpid) == [peer.pid for peer in group]


# Calls


def test_results_come_in_order(shared: PeerGroup) -> None:
    assert shared.call(name) == ["shared-0", "shared-1", "shared-2"]


def test_results_come_in_order_whoever_is_first(
    shared: PeerGroup, module_peer_factory: Any
) -> None:
    results: list[Any] = []
    calling = threading.Thread(target=lambda: results.extend(shared.call(report_and_take, "go")))
    calling.start()
    box = module_peer_factory.mailbox("runs")
    assert {box.get(LONG) for _ in shared} == {peer.name for peer in shared}
    for number, peer in reversed(list(enumerate(shared))):
        peer.send("go", number)
    calling.join(LONG)
    assert results == [0, 1, 2]


def test_everyone_gets_the_same_arguments(shared: PeerGroup) -> None:
    assert shared.call(operator.add, 1, 2) == [3, 3, 3]
    assert shared.call(dict, fn=1, self=2) == [{"fn": 1, "self": 2}] * 3


def test_map_gives_everyone_its_own_arguments(shared: PeerGroup) -> None:
    assert shared.map(operator.sub, [10, 20, 30], (1, 2, 3)) == [9, 18, 27]


def test_map_takes_any_iterable(shared: PeerGroup) -> None:
    assert shared.map(abs, (-number for number in range(3))) == [0, 1, 2]


@pytest.mark.parametrize("arguments", [[1, 2], [1, 2, 3, 4], []])
def test_map_needs_arguments_for_everyone(shared: PeerGroup, arguments: list[int]) -> None:
    with pytest.raises(ValueError, match="argument"):
        shared.map(abs, arguments)


def test_submit_returns_futures_in_order(shared: PeerGroup) -> None:
    futures = shared.submit(name)
    assert [future.result(LONG) for future in futures] == [peer.name for peer in shared]


def test_cast_reaches_everyone(shared: PeerGroup, module_peer_factory: Any) -> None:
    shared.cast(report, 1)
    box = module_peer_factory.mailbox("report")
    assert {box.get(LONG) for _ in shared} == {(peer.name, 1) for peer in shared}


# Failures


def test_one_failure_is_a_group(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup, match="1 of 3") as caught:
        shared.call(fail_in, "shared-1")
    (failure,) = caught.value.exceptions
    assert isinstance(failure, OwnError)
    assert failure.args == ("shared-1",)


def test_failures_come_in_order(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup, match="2 of 3") as caught:
        shared.call(fail_in, "shared-2", "shared-0")
    assert [failure.args for failure in caught.value.exceptions] == [("shared-0",), ("shared-2",)]


def test_failures_say_which_peer(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.call(operator.truediv, 1, 0)
    for peer, failure in zip(shared, caught.value.exceptions, strict=True):
        assert isinstance(failure, ZeroDivisionError)
        assert any(peer.name in note for note in failure.__notes__)


def test_failures_can_be_caught_by_class(shared: PeerGroup) -> None:
    caught: list[str] = []
    try:
        shared.call(fail_in, "shared-0", "shared-1")
    except* OwnError as failures:
        caught += [str(failure) for failure in failures.exceptions]
    assert caught == ["shared-0", "shared-1"]


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
    assert [type(failure) for failure in caught.value.exceptions] == [EncodeError] * 3


def test_failures_of_cast_are_a_group(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup) as caught:
        shared.cast(repr, threading.Lock())
    assert [type(failure) for failure in caught.value.exceptions] == [EncodeError] * 3


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
    assert [type(failure) for failure in caught.value.exceptions] == [CallTimeout] * 3
    for peer, failure in zip(group, caught.value.exceptions, strict=True):
        assert peer.name in str(failure)
        assert "within 0.05 s" in str(failure)


def test_limits_of_members_do_not_add_up(peer_factory: Any) -> None:
    group = peer_factory.many(3, call_timeout=1)
    started = time.monotonic()
    with pytest.raises(ExceptionGroup):
        group.call(report_and_take, "never")
    assert time.monotonic() - started < 2.5


def test_members_work_on_after_a_failure(shared: PeerGroup) -> None:
    with pytest.raises(ExceptionGroup):
        shared.call(fail_in, "shared-0")
    assert shared.call(name) == [peer.name for peer in shared]


# The end


def test_stop_stops_everyone(group: PeerGroup) -> None:
    group.stop()
    assert [(peer.state, peer.down_reason.kind) for peer in group] == [("down", "stopped")] * 3


def test_stop_is_idempotent(group: PeerGroup) -> None:
    group[0].kill()
    group.stop()
    group.stop()
    assert [peer.state for peer in group] == ["down"] * 3


def test_kill_kills_everyone(group: PeerGroup) -> None:
    group.kill()
    assert [peer.down_reason.signal for peer in group] == [signal.SIGKILL] * 3


def test_dead_member_stays_a_member(group: PeerGroup) -> None:
    group[1].kill()
    assert len(group) == 3
    assert [peer.state for peer in group] == ["running", "down", "running"]


def test_restarted_member_stays_a_member(group: PeerGroup) -> None:
    before = group[1].pid
    assert group[1].restart() is group[1]
    assert group.call(name) == ["rank-0", "rank-1", "rank-2"]
    assert group[1].pid != before


def test_group_sees_a_death_nobody_asked_for(group: PeerGroup) -> None:
    group[2].cast(os._exit, 3)
    eventually(lambda: group[2].state == "down", timeout=LONG)
    assert group[2].down_reason.exit_status == 3
