"""`wait_blocked` returns when a call waits itself, and says for what."""

from __future__ import annotations

import asyncio
import fcntl
import os
import queue
import re
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from occupations import hold_the_gil
from timeouts import AGES, LONG

from pytest_peer import NotBlocked, Peer, here

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of /proc")


def flock(path: Path) -> None:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def lockf(path: Path) -> None:
    with path.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)


def receive(_: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname()) as client:
        client.recv(1)


def receive_with_a_limit(_: Path) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname(), AGES) as client:
        client.recv(1)


def accept(_: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.accept()


def read_pipe(_: Path) -> None:
    os.read(os.pipe()[0], 1)


def lock(_: Path) -> None:
    taken = threading.Lock()
    taken.acquire()
    taken.acquire()


def await_event(_: Path) -> None:
    threading.Event().wait(AGES)


def take_from_queue(_: Path) -> None:
    queue.Queue[int]().get()


def await_child(_: Path) -> None:
    subprocess.run(["sleep", str(AGES)])


def sleep(_: Path) -> None:
    time.sleep(AGES)


def look_again_and_again(path: Path) -> None:
    while path.exists():
        time.sleep(0.01)


def take_from_mailbox(_: Path) -> None:
    here.mailbox("orders").get()


async def wait_in_a_task(_: Path) -> None:
    await asyncio.Event().wait()


async def await_a_task_that_waits(_: Path) -> None:
    await asyncio.gather(asyncio.create_task(asyncio.sleep(AGES)), asyncio.sleep(AGES))


async def block_the_loop(_: Path) -> None:
    time.sleep(AGES)


WAITS = [
    (flock, "flock {path}"),
    (lockf, "lockf {path}"),
    (receive, r"recv 127\.0\.0\.1:\d+"),
    (receive_with_a_limit, r"recv 127\.0\.0\.1:\d+"),
    (accept, r"accept 127\.0\.0\.1:\d+"),
    (read_pipe, "read pipe"),
    (lock, "lock"),
    (await_event, "lock"),
    (take_from_queue, "lock"),
    (await_child, r"child \d+"),
    (sleep, "sleep"),
    (look_again_and_again, "polling"),
    (take_from_mailbox, "mailbox orders"),
    (wait_in_a_task, "task"),
    (await_a_task_that_waits, "task"),
    (block_the_loop, "sleep"),
]


@pytest.mark.parametrize(("function", "on"), WAITS, ids=lambda each: getattr(each, "__name__", ""))
def test_call_says_what_it_waits_for(
    peer: Peer, tmp_path: Path, function: Callable[[Path], Any], on: str
) -> None:
    path = tmp_path / "store.lock"
    with path.open("w") as file:
        (fcntl.lockf if function is lockf else fcntl.flock)(file, fcntl.LOCK_EX)
        blocked = peer.submit(function, path).wait_blocked(LONG)
        assert re.fullmatch(on.format(path=re.escape(str(path))), blocked.on)
        assert f"in {function.__name__}\n" in blocked.stack


def begin_immediately(path: Path) -> None:
    with sqlite3.connect(path, timeout=LONG) as connection:
        connection.execute("begin immediate")


def test_database_that_is_busy_is_polled(peer: Peer, tmp_path: Path) -> None:
    holder = sqlite3.connect(tmp_path / "db", isolation_level=None)
    holder.execute("begin immediate")
    assert peer.submit(begin_immediately, tmp_path / "db").wait_blocked(LONG).on == "polling"
    holder.close()


def test_call_on_a_thread_of_its_own_is_found(peer: Peer, tmp_path: Path) -> None:
    peer.submit(sleep, tmp_path).wait_blocked(LONG)
    assert peer.submit(lock, tmp_path).wait_blocked(LONG).on == "lock"


def test_each_call_is_told_from_the_others(peer: Peer, tmp_path: Path) -> None:
    first, second = peer.submit(sleep, tmp_path), peer.submit(lock, tmp_path)
    tasks = [peer.submit(each, tmp_path) for each in (wait_in_a_task, wait_in_a_task)]
    every = (second, first, *tasks)
    assert [each.wait_blocked(LONG).on for each in every] == ["lock", "sleep", "task", "task"]


def nothing() -> None:
    pass


def loop() -> None:
    while True:
        pass


def loop_beside_another() -> None:
    threading.Thread(target=loop, daemon=True).start()
    loop()


def give_way_always() -> None:
    while True:
        time.sleep(0)


def work_between_short_sleeps() -> None:
    while True:
        time.sleep(0.002)
        until = time.thread_time() + 0.02
        while time.thread_time() < until:
            pass


async def run_a_loop_of_tasks() -> None:
    async def spin() -> None:
        while True:
            await asyncio.sleep(0)

    await asyncio.create_task(spin())


RUNS = [loop, loop_beside_another, give_way_always, work_between_short_sleeps, run_a_loop_of_tasks]


@pytest.mark.parametrize("function", RUNS)
def test_call_that_runs_is_not_blocked(peer: Peer, function: Callable[[], Any]) -> None:
    peer.call(nothing)  # it imports this module
    future = peer.submit(function)
    with pytest.raises(NotBlocked, match=r"still runs after 0\.3 s") as caught:
        future.wait_blocked(0.3)
    assert isinstance(caught.value, AssertionError)
    assert function.__name__ in caught.value.stacks
    assert caught.value.stacks in str(caught.value)


def test_call_that_has_returned_gives_its_value(peer: Peer) -> None:
    with pytest.raises(NotBlocked, match=r"has returned 'a b'") as caught:
        peer.submit(" ".join, "ab").wait_blocked(LONG)
    assert caught.value.stacks == ""


def test_call_that_has_failed_is_the_cause(peer: Peer) -> None:
    with pytest.raises(NotBlocked, match="has raised ZeroDivisionError") as caught:
        peer.submit(divmod, 1, 0).wait_blocked(LONG)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_call_that_ends_meanwhile_is_not_blocked(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "there"
    path.touch()
    future = peer.submit(loop_until_gone, path)
    threading.Timer(0.2, path.unlink).start()
    with pytest.raises(NotBlocked, match="has returned 'gone'"):
        future.wait_blocked(LONG)


def loop_until_gone(path: Path) -> str:
    while path.exists():
        pass
    return "gone"


# Our own waits


def come_to_barrier(name: str) -> None:
    here.barrier(name, 2, None)


async def acome_to_barrier(name: str) -> None:
    await here.abarrier(name, 2, AGES)


def call_sibling(name: str) -> None:
    here.peer(name).call(time.sleep, AGES)


def submit_to_sibling(name: str) -> None:
    here.peer(name).submit(time.sleep, AGES).result(None)


async def acall_sibling(name: str) -> None:
    await asyncio.create_task(here.peer(name).acall(time.sleep, AGES))


def get_message(name: str) -> None:
    here.mailbox(name).get(None)


async def aget_message(name: str) -> None:
    await here.mailbox(name).aget(AGES)


OWN_WAITS = [
    (come_to_barrier, "barrier other"),
    (acome_to_barrier, "barrier other"),
    (call_sibling, "call other"),
    (submit_to_sibling, "call other"),
    (acall_sibling, "call other"),
    (get_message, "mailbox other"),
    (aget_message, "mailbox other"),
]


@pytest.mark.parametrize(("function", "on"), OWN_WAITS)
def test_our_own_waits_have_names(
    peer_factory: Any, function: Callable[[str], Any], on: str
) -> None:
    peer, other = peer_factory(), peer_factory(name="other")
    blocked = peer.submit(function, "other").wait_blocked(LONG)
    assert (blocked.on, blocked.holder) == (on, other if on == "call other" else None)
    assert f"in {function.__name__}\n" in blocked.stack
    assert f"blocked on {on}" in peer.dump_stacks()


async def await_nothing() -> None:
    await asyncio.sleep(0)


@pytest.mark.parametrize("function", [nothing, await_nothing])
def test_held_call_says_where(peer: Peer, function: Callable[[], Any]) -> None:
    with peer.hold_at(function) as point:
        future = peer.submit(function)
        assert future.wait_blocked(LONG).on == f"held {__name__}:{function.__name__}"
        point.release()
        with pytest.raises(NotBlocked, match="has returned None"):
            future.wait_blocked(LONG)


def test_held_coroutine_does_not_hold_the_others(peer: Peer) -> None:
    with peer.hold_at(await_nothing):
        peer.submit(await_nothing).wait_blocked(LONG)
        assert peer.submit(wait_in_a_task, Path()).wait_blocked(LONG).on == "task"


def pass_many_barriers(count: int) -> None:
    for _ in range(count):
        here.barrier("alone", 1, LONG)
        here.mark("passed")


def test_answer_that_is_on_its_way_is_no_wait(peer: Peer) -> None:
    future = peer.submit(pass_many_barriers, 2000)
    with pytest.raises(NotBlocked, match="has returned None"):
        future.wait_blocked(LONG)


def test_call_goes_on_when_it_has_what_it_waited_for(peer: Peer, tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        future = peer.submit(flock, path)
        assert future.wait_blocked(LONG).on == f"flock {path}"
    assert future.result(LONG) is None


def test_death_ends_the_wait(mortal: Peer) -> None:
    future = mortal.submit(loop)
    threading.Timer(0.2, mortal.kill).start()
    with pytest.raises(NotBlocked, match="has raised PeerDown"):
        future.wait_blocked(LONG)


def test_peer_that_holds_its_gil_is_not_known_to_wait(peer: Peer) -> None:
    future = peer.submit(hold_the_gil, "sleep 600")
    peer.stdout.wait_for("holding", LONG)
    with pytest.raises(NotBlocked, match="still runs"):
        future.wait_blocked(0.1)
    peer.kill()


def test_limit_of_nothing_looks_once(peer: Peer, tmp_path: Path) -> None:
    future = peer.submit(sleep, tmp_path)
    future.wait_blocked(LONG)
    assert future.wait_blocked(0).on == "sleep"


@pytest.mark.parametrize("limit", [-1, float("nan")])
def test_limit_is_checked(shared: Peer, limit: float) -> None:
    with pytest.raises(ValueError, match="timeout"):
        shared.submit(os.getpid).wait_blocked(limit)


@pytest.mark.parametrize("version", ["3.8", "3.12", "3.13"])
def test_peers_of_other_versions_say_it_too(
    peer_factory: Any, requires_python: Callable[[str], str], tmp_path: Path, version: str
) -> None:
    peer = peer_factory(exec=requires_python(version))
    assert peer.submit(lock, tmp_path).wait_blocked(LONG).on == "lock"
    assert peer.submit(take_from_mailbox, tmp_path).wait_blocked(LONG).on == "mailbox orders"
    assert peer.submit(wait_in_a_task, tmp_path).wait_blocked(LONG).on == "task"
    assert peer.submit(come_to_barrier, "b").wait_blocked(LONG).on == "barrier b"
    assert peer.submit(acome_to_barrier, "c").wait_blocked(LONG).on == "barrier c"
    peer.kill()


def test_group_s_calls_are_asked_one_by_one(peer_factory: Any, tmp_path: Path) -> None:
    futures = peer_factory.many(3).submit(sleep, tmp_path)
    assert [each.wait_blocked(LONG).on for each in futures] == ["sleep"] * 3
