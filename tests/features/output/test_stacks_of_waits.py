"""The line of a thread that waits in the kernel says what it waits for."""

from __future__ import annotations

import fcntl
import os
import re
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from occupations import loop
from timeouts import AGES, LONG

from pytest_peer import CallTimeout, Peer, eventually

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of /proc")


def flock(path: Path) -> None:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)


def lockf(path: Path) -> None:
    with path.open("w") as file:
        fcntl.lockf(file, fcntl.LOCK_EX)


def wait_for_event(_: Path) -> None:
    threading.Event().wait()


def sleep(_: Path) -> None:
    time.sleep(AGES)


def wait_for_child(_: Path) -> None:
    subprocess.run(["sleep", str(AGES)])


def accept(_: Path, timeout: float | None = None) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(timeout)
        server.accept()


def accept_in_time(path: Path) -> None:
    accept(path, AGES)


def receive(_: Path, timeout: float | None = None) -> None:
    server = socket.create_server(("127.0.0.1", 0))
    with server, socket.create_connection(server.getsockname(), timeout) as client:
        print("port", server.getsockname()[1])
        client.recv(1)


def receive_in_time(path: Path) -> None:
    receive(path, AGES)


def read_pipe(_: Path) -> None:
    os.read(os.pipe()[0], 1)


def poll_pipe(_: Path) -> None:
    select.select([os.pipe()[0]], [], [])


WAITS = [
    (flock, "flock {path}"),
    (lockf, "lockf {path}"),
    (wait_for_event, "lock"),
    (sleep, "sleep"),
    (wait_for_child, r"child \d+"),
    (accept, r"accept 127\.0\.0\.1:\d+"),
    (accept_in_time, r"accept 127\.0\.0\.1:\d+"),
    (receive, r"recv 127\.0\.0\.1:\d+"),
    (receive_in_time, r"recv 127\.0\.0\.1:\d+"),
    (read_pipe, "read pipe"),
    (poll_pipe, r"p?select\d?"),
]


@pytest.mark.parametrize(
    ("function", "on"), WAITS, ids=lambda value: getattr(value, "__name__", None)
)
def test_thread_says_what_it_waits_for(
    peer: Peer, tmp_path: Path, function: Callable[[Path], None], on: str
) -> None:
    path = tmp_path / "store.lock"
    with path.open("w") as file:
        (fcntl.lockf if function is lockf else fcntl.flock)(file, fcntl.LOCK_EX)
        peer.cast(function, path)
        expected = re.compile(f"^Thread MainThread blocked on {on.format(path=path)} \\(", re.M)
        eventually(lambda: expected.search(peer.dump_stacks()) is not None, LONG)


def test_address_is_the_other_end_s(peer: Peer, tmp_path: Path) -> None:
    peer.cast(receive, tmp_path)
    port = peer.stdout.wait_for(r"port (\d+)", LONG)[1]
    eventually(lambda: f"blocked on recv 127.0.0.1:{port} (" in peer.dump_stacks(), LONG)


def test_thread_that_runs_waits_for_nothing(peer: Peer) -> None:
    peer.cast(loop)
    peer.stdout.wait_for("waiting", LONG)
    for _ in range(5):
        text = peer.dump_stacks()
        assert "in loop" in text
        assert "blocked on" not in text


def wake_often() -> None:
    print("waiting")
    while True:
        time.sleep(0.001)


def test_thread_that_only_looks_again_waits_for_nothing(peer: Peer) -> None:
    peer.cast(wake_often)
    peer.stdout.wait_for("waiting", LONG)
    assert "blocked on" not in peer.dump_stacks()


def test_idle_peer_says_nothing_of_it(shared: Peer) -> None:
    assert "blocked on" not in shared.dump_stacks()


def test_socket_that_was_looked_at_stays_as_it_is(peer: Peer) -> None:
    peer.call(socket.setdefaulttimeout, 5)
    answer = peer.submit(receive_a_letter)
    port = int(peer.stdout.wait_for(r"port (\d+)", LONG)[1])
    with socket.create_connection(("127.0.0.1", port)) as client:
        eventually(lambda: "receive_a_letter" in peer.dump_stacks(), LONG)
        client.sendall(b"x")
        assert answer.result(LONG) == (b"x", True)


def receive_a_letter() -> tuple[bytes, bool]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        print("port", server.getsockname()[1])
        client, _ = server.accept()
        with client:
            client.setblocking(True)
            return client.recv(1), os.get_blocking(client.fileno())


def test_call_that_timed_out_says_it_in_its_text(peer: Peer, tmp_path: Path) -> None:
    peer.cast(wait_for_event, tmp_path)
    eventually(lambda: "blocked on lock (" in peer.dump_stacks(), LONG)
    with pytest.raises(CallTimeout, match=r"Thread MainThread blocked on lock \("):
        peer.call_within(0, os.getpid)
