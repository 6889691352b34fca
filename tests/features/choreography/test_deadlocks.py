"""A cycle of waits among peers is found, and shown where a test would hang."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from gates import Gate, pass_gate
from inner_pytest import Inner
from timeouts import AGES, LONG

from pytest_peer import CallTimeout, Peer, eventually, here

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of /proc")

_kept: list[Any] = []
_servers: list[socket.socket] = []


def hold(path: Path) -> None:
    _kept.append(path.open("w"))
    fcntl.flock(_kept[-1], fcntl.LOCK_EX)


def hold_by_process(path: Path) -> None:
    _kept.append(path.open("w"))
    fcntl.lockf(_kept[-1], fcntl.LOCK_EX)


def hold_in_a_child(path: Path) -> None:
    """The lock is that of a file that both have open; only the child keeps it so."""
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        if os.fork() == 0:
            os.read(os.pipe()[0], 1)


def take(path: Path) -> None:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def take_by_process(path: Path) -> None:
    with path.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)


# Who has it


@pytest.mark.parametrize(
    ("first", "second"),
    [(hold, take), (hold_by_process, take_by_process), (hold_in_a_child, take)],
    ids=["flock", "lockf", "child"],
)
def test_peer_that_has_the_lock_is_named(
    peer_factory: Any, tmp_path: Path, first: Any, second: Any
) -> None:
    other, holder, waiter = peer_factory.many(3)
    other.call(_kept.append, (tmp_path / "x").open)
    holder.call(first, tmp_path / "x")
    blocked = waiter.submit(second, tmp_path / "x").wait_blocked(LONG)
    assert blocked.holder is holder
    assert repr(blocked) == f"<Blocked on {blocked.on}, held by {holder.name}>"


def test_lock_of_the_test_is_no_peer_s(peer_factory: Any, tmp_path: Path) -> None:
    _, waiter = peer_factory.many(2)
    with (tmp_path / "x").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        assert waiter.submit(take, tmp_path / "x").wait_blocked(LONG).holder is None


def listen() -> int:
    server = socket.create_server(("127.0.0.1", 0))
    _servers.append(server)
    port: int = server.getsockname()[1]
    return port


def connect(port: int) -> None:
    _kept.append(socket.create_connection(("127.0.0.1", port)))


def accept_and_receive() -> None:
    connection, _ = _servers[0].accept()
    connection.recv(1)


def receive() -> None:
    _kept[-1].recv(1)


def test_peer_at_the_other_end_is_named(peer_factory: Any) -> None:
    _, server, client = peer_factory.many(3)
    client.call(connect, server.call(listen))
    future = server.submit(accept_and_receive)
    eventually(lambda: future.wait_blocked(LONG).holder is client, LONG)
    assert future.wait_blocked(LONG).on.startswith("recv 127.0.0.1:")


def test_writer_of_a_pipe_is_named(peer_factory: Any, tmp_path: Path) -> None:
    reader, writer = peer_factory.many(2)
    os.mkfifo(tmp_path / "fifo")
    future = reader.submit(pass_gate, str(tmp_path / "fifo"))
    writer.call(keep_open, tmp_path / "fifo")
    eventually(lambda: future.wait_blocked(LONG).holder is writer, LONG)
    assert future.wait_blocked(LONG).on == "read pipe"


def keep_open(path: Path) -> None:
    _kept.append(path.open("w"))


# Cycles


def test_two_locks_in_two_orders(peer_factory: Any, tmp_path: Path) -> None:
    a, b, _ = peer_factory.many(3, name="peer")
    x, y = tmp_path / "x", tmp_path / "y"
    a.call(hold, x), b.call(hold, y)
    assert peer_factory.deadlock() is None
    a.submit(take, y).wait_blocked(LONG)
    assert peer_factory.deadlock() is None
    b.submit(take, x).wait_blocked(LONG)
    found = peer_factory.deadlock()
    assert sorted(map(str, found)) == [
        f"peer-0 waits for flock {y}, which peer-1 has",
        f"peer-1 waits for flock {x}, which peer-0 has",
    ]
    (wait,) = (each for each in found if each.peer is a)
    assert (wait.on, wait.holder) == (f"flock {y}", b)


def test_three_peers_and_two_kinds_of_waits(peer_factory: Any, tmp_path: Path) -> None:
    a, b, c = group = peer_factory.many(3, name="peer")
    group.map(hold, [tmp_path / name for name in "abc"])
    a.call(connect, b.call(listen))
    a.submit(take, tmp_path / "c")
    b.submit(accept_and_receive)
    c.submit(take, tmp_path / "b")
    eventually(lambda: peer_factory.deadlock() is not None, LONG)
    assert sorted(wait.on.partition(" ")[0] for wait in peer_factory.deadlock()) == [
        *("flock", "flock", "recv"),
    ]


def test_two_that_wait_for_each_other_s_words(peer_factory: Any) -> None:
    server, client = peer_factory.many(2)
    client.call(connect, server.call(listen))
    server.submit(accept_and_receive)
    client.submit(receive)
    eventually(lambda: len(peer_factory.deadlock() or ()) == 2, LONG)


def test_one_that_runs_may_end_it(peer_factory: Any, tmp_path: Path) -> None:
    a, b = peer_factory.many(2)
    x, y = tmp_path / "x", tmp_path / "y"
    a.call(hold, x), b.call(hold, y)
    a.cast(loop)
    a.submit(take, y).wait_blocked(LONG)
    b.submit(take, x).wait_blocked(LONG)
    assert peer_factory.deadlock() is None


def loop() -> None:
    while True:
        pass


def test_peers_that_wait_for_the_test_are_in_no_deadlock(peer_factory: Any, gate: Gate) -> None:
    for peer in peer_factory.many(2):
        peer.submit(pass_gate, gate.path)
    gate.wait_reached()
    assert peer_factory.deadlock() is None
    gate.open()


# Calls of each other


def sibling_take(name: str, path: Path) -> None:
    here.peer(name).call(take, path)


def sibling_take_later(name: str, path: Path) -> None:
    here.peer(name).submit(take, path).result()


async def sibling_take_in_a_task(name: str, path: Path) -> None:
    await here.peer(name).acall(take, path)


CALLS = [sibling_take, sibling_take_later, sibling_take_in_a_task]


@pytest.mark.parametrize("call", CALLS)
def test_call_of_who_waits_for_the_caller_s_lock(
    peer_factory: Any, tmp_path: Path, call: Any
) -> None:
    a, b = peer_factory.many(2, name="peer")
    a.call(hold, tmp_path / "x")
    a.submit(call, b.name, tmp_path / "x").wait_blocked(LONG)
    eventually(lambda: peer_factory.deadlock() is not None, LONG)
    assert sorted(map(str, peer_factory.deadlock())) == [
        "peer-0 waits for call peer-1, which peer-1 has",
        f"peer-1 waits for flock {tmp_path}/x, which peer-0 has",
    ]


async def call_back_in_vain(other: str) -> None:
    """Call who calls back a coroutine, for which this one leaves the event loop no time."""
    here.peer(other).call(call_coroutine, here.name)


def call_coroutine(name: str) -> None:
    here.peer(name).call(nothing)


async def nothing() -> None:
    pass


def test_calls_alone_may_be_a_cycle(peer_factory: Any) -> None:
    a, b = peer_factory.many(2, name="peer")
    a.submit(call_back_in_vain, b.name)
    eventually(lambda: peer_factory.deadlock() is not None, LONG)
    assert sorted(map(str, peer_factory.deadlock())) == [
        "peer-0 waits for call peer-1, which peer-1 has",
        "peer-1 waits for call peer-0, which peer-0 has",
    ]


def call_back_and_sleep(other: str) -> None:
    here.peer(other).call(call_and_sleep, here.name)


def call_and_sleep(name: str) -> None:
    here.peer(name).call(print_and_sleep)


def print_and_sleep() -> None:
    print("asleep")
    time.sleep(AGES)


def test_call_back_that_only_takes_long_is_no_cycle(peer_factory: Any) -> None:
    a, b = peer_factory.many(2)
    a.submit(call_back_and_sleep, b.name)
    a.stdout.wait_for("asleep", LONG)
    a.settle(LONG)
    assert peer_factory.deadlock() is None


def call_from_a_child_with_the_lock(name: str, path: Path) -> int:
    """The child has the lock, and its peer has not."""
    pid = os.fork()
    if pid == 0:
        hold(path)
        here.peer(name).call(take, path)
    return pid


def test_call_of_a_child_is_one_of_its_peer(peer_factory: Any, tmp_path: Path) -> None:
    a, b = peer_factory.many(2, name="peer")
    a.call(call_from_a_child_with_the_lock, b.name, tmp_path / "x")
    eventually(lambda: peer_factory.deadlock() is not None, LONG)
    assert sorted(map(str, peer_factory.deadlock())) == [
        "peer-0 waits for call peer-1, which peer-1 has",
        f"peer-1 waits for flock {tmp_path}/x, which peer-0 has",
    ]


# Where it is shown


def deadlocked(peer_factory: Any, tmp_path: Path) -> tuple[Peer, Peer]:
    a, b = peer_factory.many(2, name="peer", shutdown=("halt", 0))
    a.call(hold, tmp_path / "x"), b.call(hold, tmp_path / "y")
    a.submit(take, tmp_path / "y").wait_blocked(LONG)
    return a, b


def test_call_that_times_out_shows_it(peer_factory: Any, tmp_path: Path) -> None:
    _, b = deadlocked(peer_factory, tmp_path)
    expected = f"Deadlock:\npeer-0 waits for flock {tmp_path}/y, which peer-1 has\n"
    with pytest.raises(CallTimeout) as caught:
        b.call_within(0.5, take, tmp_path / "x")
    assert "Deadlock:\npeer-" in caught.value.stacks
    assert expected.splitlines()[1] in caught.value.stacks
    assert "in take" in caught.value.stacks


@pytest.mark.parametrize("call", [sibling_take, sibling_take_later])
def test_late_call_of_a_sibling_shows_it(peer_factory: Any, tmp_path: Path, call: Any) -> None:
    a = peer_factory(name="peer-0")
    b = peer_factory(name="peer-1", call_timeout=1.0)
    b.call_within(LONG, take, tmp_path / "x")  # it imports this module
    a.call(hold, tmp_path / "x")
    with pytest.raises(CallTimeout) as caught:
        a.call_within(LONG, call, b.name, tmp_path / "x")
    assert "no answer from peer 'peer-1'" in str(caught.value)
    assert "peer-0 waits for call peer-1, which peer-1 has" in caught.value.stacks
    assert "in take" in caught.value.stacks


def test_call_of_the_test_shows_a_cycle_with_calls(peer_factory: Any, tmp_path: Path) -> None:
    a, b = peer_factory.many(2, name="peer", shutdown=("halt", 0))
    b.call(take, tmp_path / "x")  # it imports this module
    a.call(hold, tmp_path / "x")
    with pytest.raises(CallTimeout, match="Deadlock:") as caught:
        a.call_within(0.5, sibling_take, b.name, tmp_path / "x")
    assert "peer-0 waits for call peer-1, which peer-1 has" in caught.value.stacks


HANGS = """
import fcntl, pytest

kept = []

def hold(path):
    kept.append(open(path, "w"))
    fcntl.flock(kept[-1], fcntl.LOCK_EX)

@pytest.mark.timeout(3)
def test_hangs(peer_factory):
    group = peer_factory.many(2, name="peer", shutdown=("halt", 0))
    group.map(hold, ["x", "y"])
    group.map(hold, ["y", "x"])
"""


def test_report_of_a_hang_shows_it(inner: Inner) -> None:
    inner.write(HANGS)
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.re_match_lines(
        [
            r"-+ Captured deadlock call -+",
            r"peer-\d waits for flock .*/[xy], which peer-\d has",
            r"peer-\d waits for flock .*/[xy], which peer-\d has",
        ],
        consecutive=True,
    )
