"""Several peers start at once, and some of them may fail."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from processes import assert_gone
from timeouts import LONG

import pytest_peer
from pytest_peer import ExecNotFound, NameInUse, PeerGroup, here


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> PeerGroup:
    """For tests that leave no call running and no peer dead."""
    return module_peer_factory.many(3, name="shared")


# Members of the group


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


def test_empty_group(peer_factory: Any) -> None:
    group = peer_factory.many(0)
    assert list(group) == []
    assert group.call(os.getpid) == []
    group.cast(os.getpid)
    group.stop()
    group.kill()


def test_none_of_many_is_an_empty_group(peer_factory):
    assert list(peer_factory.many(0)) == []


# At the same time


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


#: Goes on when so many have come.
TOGETHER = 'touch "$0/$$"; while [ $(ls "$0" | wc -l) -lt 3 ]; do sleep 0.01; done; exec "$@"'


def test_many_boot_at_the_same_time(peer_factory, tmp_path):
    place = tmp_path / "place"
    place.mkdir()
    group = peer_factory.many(3, exec=["/bin/sh", "-c", TOGETHER, str(place), sys.executable])
    assert group.call(os.getpid) == [peer.pid for peer in group]


def test_many_threads_may_boot_peers_at_the_same_time(peer_factory):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        peers = list(pool.map(lambda _: peer_factory(), range(16)))
    assert len({peer.call(os.getpid) for peer in peers}) == 16


def test_group_may_boot_unattended(peer_factory: Any) -> None:
    group = peer_factory.many(2, wait_boot=False)
    assert group.call(os.getpid) == [peer.pid for peer in group]


# Failures


def test_peer_that_does_not_boot_fails_and_stops_the_group(peer_factory: Any) -> None:
    def break_one(argv: list[str]) -> list[str]:
        return ["sh", "-c", "exit 7"] if argv[-1].startswith("rank-1@") else argv

    with pytest.raises(ExceptionGroup, match="1 of 3") as caught:
        peer_factory.many(3, name="rank", post_process_args=break_one)
    (failure,) = caught.value.exceptions
    assert "rank-1" in str(failure)
    assert failure.exit_status == 7
    assert peer_factory(name="rank-0").state == "running"


def test_peers_that_do_not_boot_are_all_reported(peer_factory: Any) -> None:
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


#: The first of them fails.
ONE_FAILS = 'echo $$ >>"$0.pids"; mkdir "$0" 2>/dev/null && exit 3; exec "$@"'


@pytest.fixture
def one_fails(tmp_path) -> list[str]:
    return ["/bin/sh", "-c", ONE_FAILS, str(tmp_path / "first"), sys.executable]


def test_one_of_many_that_fails_is_a_group_of_one(peer_factory, one_fails):
    with pytest.raises(ExceptionGroup) as caught:
        peer_factory.many(3, exec=one_fails)
    (error,) = caught.value.exceptions
    assert isinstance(error, pytest_peer.BootError)
    assert error.exit_status == 3


def test_one_of_many_that_fails_stops_the_others(peer_factory, one_fails, tmp_path):
    with pytest.raises(ExceptionGroup):
        peer_factory.many(3, exec=one_fails)
    pids = [int(pid) for pid in (tmp_path / "first.pids").read_text().split()]
    assert pids
    assert_gone(pids, within=0)


def test_many_whose_program_is_missing_is_a_group_too(peer_factory):
    with pytest.raises(ExceptionGroup) as caught:
        peer_factory.many(2, exec="no-such-program-anywhere")
    assert caught.group_contains(pytest_peer.ExecNotFound)


def test_many_that_failed_free_their_names(peer_factory, one_fails):
    with pytest.raises(ExceptionGroup):
        peer_factory.many(3, name="rank", exec=one_fails)
    assert [peer.name for peer in peer_factory.many(3, name="rank")] == [
        "rank-0",
        "rank-1",
        "rank-2",
    ]


def test_report_says_why_the_others_were_stopped(inner):
    inner.write(
        """
        def break_one(argv):
            return ["sh", "-c", "exit 7"] if argv[-1].startswith("rank-1@") else argv

        def test_it(peer_factory):
            peer_factory.many(3, name="rank", post_process_args=break_one)
        """
    )
    stopped = "stopped: another peer of its group did not boot after *"
    inner.run().stdout.fnmatch_lines(
        [
            f"<Peer rank-0 pid *: {stopped}",
            "<Peer rank-1 pid *: boot failed (exited with status 7) after *",
            f"<Peer rank-2 pid *: {stopped}",
        ]
    )


def test_boot_that_the_group_ends_says_why(peer_factory, gate):
    peers: queue.SimpleQueue[pytest_peer.Peer] = queue.SimpleQueue()
    peer_factory(name="rank-1")
    with pytest.raises(ExceptionGroup) as caught:
        peer_factory.many(2, name="rank", exec=gate.launcher(), wait_boot=peers.put)
    assert [type(failure) for failure in caught.value.exceptions] == [NameInUse]
    why = "'rank-0' was stopped while it was booting: another peer of its group did not boot"
    with pytest.raises(pytest_peer.BootError, match=why):
        peers.get(timeout=LONG).wait_boot()


# Options of each member's own


def test_members_may_have_options_of_their_own(peer_factory: Any) -> None:
    group = peer_factory.many(
        3, each=[{"env": {"A": "1"}}, {}, {"name": "third"}], env={"A": "0"}, name="rank"
    )
    assert group.call(os.getenv, "A") == ["1", "0", "0"]
    assert [peer.name for peer in group] == ["rank-0", "rank-1", "third"]


@pytest.mark.parametrize("each", [[], [{}], [{}, {}, {}]])
def test_each_member_needs_options_of_its_own(peer_factory: Any, each: Any) -> None:
    with pytest.raises(ValueError, match=f"each: .* 2 peers, got {len(each)}"):
        peer_factory.many(2, each=each)


@pytest.mark.parametrize("each", [3, "ab", [{}, None], {"env": {}}])
def test_each_is_a_list_of_options(peer_factory: Any, each: Any) -> None:
    with pytest.raises(TypeError, match="each: "):
        peer_factory.many(2, each=each)


def test_wrong_option_of_a_member_starts_nobody(peer_factory: Any) -> None:
    with pytest.raises(TypeError, match="link: unknown option"):
        peer_factory.many(2, each=[{}, {"link": False}])


def test_members_know_their_places(peer_factory: Any) -> None:
    group = peer_factory.many(3)
    assert group.call(place) == [0, 1, 2]
    assert (group - group[0]).call(place) == [1, 2]
    assert group[2].restart().call(place) == 2


def test_children_of_a_member_know_its_place(peer_factory: Any) -> None:
    group = peer_factory.many(2)
    program = "from pytest_peer import here; print(here.index)"
    found = group.call(subprocess.check_output, [sys.executable, "-c", program], text=True)
    assert found == ["0\n", "1\n"]


@pytest.mark.parametrize("options", [{}, {"exec": [sys.executable]}])
def test_lone_peer_has_no_place(peer_factory: Any, options: dict[str, Any]) -> None:
    assert peer_factory(**options).call(place) is None


def test_spawned_members_know_their_places(peer_factory: Any) -> None:
    assert peer_factory.many(2, start_method="spawn").call(place) == [0, 1]


def place() -> int | None:
    return here.index
