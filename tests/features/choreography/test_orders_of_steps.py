"""Every order of the steps of two sessions, each in a peer of its own."""

from __future__ import annotations

import fcntl
import os
import sqlite3
import time
from pathlib import Path
from typing import IO, Any

import pytest
from timeouts import AGES

from pytest_peer import Interleaving, InterleavingStuck, PeerDown, interleavings

databases: list[sqlite3.Connection] = []
files: dict[str, IO[str]] = {}


def connect(path: Path) -> None:
    databases.append(sqlite3.connect(path, isolation_level=None))
    databases[0].execute("create table if not exists account (balance int)")


def balance() -> int:
    (row,) = databases[0].execute("select sum(balance) from account")
    return int(row[0])


def begin() -> None:
    databases[0].execute("begin")


def begin_immediate() -> None:
    databases[0].execute("begin immediate")


def read() -> int:
    return balance()


def add() -> None:
    databases[0].execute("update account set balance = balance + 1")


def commit() -> None:
    databases[0].execute("commit")


def open_files(folder: Path) -> None:
    files.update({name: (folder / name).open("w") for name in ("x", "y")})


def lock_x() -> None:
    fcntl.flock(files["x"], fcntl.LOCK_EX)


def lock_y() -> None:
    fcntl.flock(files["y"], fcntl.LOCK_EX)


def unlock_x() -> str:
    fcntl.flock(files["x"], fcntl.LOCK_UN)
    return "unlocked"


def sleep() -> None:
    time.sleep(0.15)


def run_on() -> None:
    while True:
        pass


def end() -> None:
    os._exit(3)


@pytest.fixture
def banks(peer_factory: Any, tmp_path: Path) -> Any:
    """Two peers with an account in a database."""
    peers = peer_factory.many(2, name="s", shutdown=("halt", 0))
    peers[0].call(connect, tmp_path / "bank.db")
    peers[0].call(lambda: databases[0].execute("insert into account values (0)") and None)
    peers[1].call(connect, tmp_path / "bank.db")
    return peers


@pytest.fixture
def lockers(peer_factory: Any, tmp_path: Path) -> Any:
    """Two peers that have opened the same files."""
    peers = peer_factory.many(2, name="s", shutdown=("halt", 0))
    peers.call(open_files, tmp_path)
    return peers


def only(order: str, **sessions: Any) -> Interleaving:
    return interleavings(orders=[order], **sessions)[0]


SAFE = [begin_immediate, add, commit]


@pytest.mark.parametrize("order", interleavings(s1=SAFE, s2=SAFE), ids=str)
def test_no_order_loses_an_update(banks: Any, order: Interleaving) -> None:
    run = order.run(banks)
    assert banks[0].call(balance) == 2
    first = order.steps[0].session
    own = [step.session == first for step in order.steps[:3]]
    other = next(step for step in order.steps if step.session != first)
    assert run.waited == ([] if all(own) else [str(other)])


UPDATE = [begin, read, add, commit]
BOTH_READ = "s1.begin s2.begin s1.read s2.read s1.add s2.add s1.commit s2.commit"


def test_exception_of_a_step_is_its_result(banks: Any) -> None:
    """SQLite refuses the second update: its session has read what the first changes."""
    run = only(BOTH_READ, s1=UPDATE, s2=UPDATE).run(banks)
    assert isinstance(run.results["s2"]["add"], sqlite3.OperationalError)
    assert str(run) == "\n".join(
        [
            f"starting permutation: {BOTH_READ}",
            "step s1.begin",
            "step s2.begin",
            "step s1.read: 0",
            "step s2.read: 0",
            "step s1.add",
            "step s2.add: OperationalError: database is locked",
            "step s1.commit: <waiting ...>",
            "step s2.commit",
            "step s1.commit: <... completed>",
        ]
    )


def test_steps_behind_a_step_that_waits_are_put_off(lockers: Any) -> None:
    order = "s1.lock_x s2.lock_x s2.unlock_x s1.unlock_x"
    sessions = [lock_x, unlock_x]
    run = only(order, s1=sessions, s2=sessions).run(lockers)
    assert run.waited == ["s2.lock_x"]
    assert run.results["s2"] == {"lock_x": None, "unlock_x": "unlocked"}
    assert str(run).splitlines()[1:] == [
        "step s1.lock_x",
        "step s2.lock_x: <waiting ...>",
        "step s1.unlock_x: 'unlocked'",
        "step s2.lock_x: <... completed>",
        "step s2.unlock_x: 'unlocked'",
    ]


def test_step_that_sleeps_does_not_wait_for_another(lockers: Any) -> None:
    run = only("s1.sleep s2.lock_x", s1=[sleep], s2=[lock_x]).run(lockers)
    assert run.waited == []


def test_deadlock_says_who_holds_what(lockers: Any, tmp_path: Path) -> None:
    order = "s1.lock_x s2.lock_y s1.lock_y s2.lock_x"
    with pytest.raises(InterleavingStuck) as caught:
        only(order, s1=[lock_x, lock_y], s2=[lock_y, lock_x]).run(lockers, timeout=30)
    assert caught.value.waits == [
        f"s1.lock_y waits for flock {tmp_path}/y, which s-1 has",
        f"s2.lock_x waits for flock {tmp_path}/x, which s-0 has",
    ]
    assert "no step can end:" in str(caught.value)
    assert "step s2.lock_x: <waiting ...>" in str(caught.value)


def test_lock_of_somebody_else_is_waited_for_until_the_limit(lockers: Any, tmp_path: Path) -> None:
    with (tmp_path / "x").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(InterleavingStuck, match=r"no step has ended for 0\.2 s") as caught:
            only("s1.lock_x s1.unlock_x", s1=[lock_x, unlock_x]).run(lockers, timeout=0.2)
    assert "not begun: s1.unlock_x" in str(caught.value)


def test_step_that_runs_on(lockers: Any) -> None:
    with pytest.raises(InterleavingStuck, match=r"s1.run_on runs after 0\.2 s") as caught:
        only("s1.run_on s2.lock_x", s1=[run_on], s2=[lock_x]).run(lockers, timeout=0.2)
    assert "in run_on" in str(caught.value)
    assert caught.value.__cause__ is None


def sleep_on() -> None:
    time.sleep(AGES)  # this is the fault: the step ends with its peer


def test_step_that_sleeps_on(lockers: Any) -> None:
    with pytest.raises(InterleavingStuck, match=r"s1.sleep_on waits for sleep after 0") as caught:
        only("s1.sleep_on s2.lock_x", s1=[sleep_on], s2=[lock_x]).run(lockers, timeout=0.2)
    assert "s-0:\nThread MainThread blocked on sleep" in str(caught.value)
    assert "in sleep_on" in str(caught.value)
    assert caught.value.waits == ["s1.sleep_on waits for sleep"]


def test_peer_that_ends_in_a_step(lockers: Any) -> None:
    dies = pytest.raises(PeerDown, match="exited with status 3")
    with lockers[0].expect_death(), dies as caught:
        only("s1.end s2.lock_x", s1=[end], s2=[lock_x]).run(lockers)
    assert caught.value.__notes__[-1] == "in step s1.end, of s1.end s2.lock_x"


def test_group_that_is_too_small(lockers: Any) -> None:
    with pytest.raises(ValueError, match=r"each of the 2 sessions \(s1, s2\), got a group of 1"):
        only("s1.lock_x s2.lock_x", s1=[lock_x], s2=[lock_x]).run(lockers[:1])
