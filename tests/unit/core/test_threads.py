"""What `/proc` shows of threads, and what is said where it shows nothing."""

from __future__ import annotations

import os
import socket
import sys
import threading
import unittest
from collections.abc import Callable

import pytest

from pytest_peer import PeerError
from pytest_peer.core import threads
from pytest_peer.peers.choreography.blocked import unknown

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of /proc")


def test_thread_that_sleeps_is_seen_as_such() -> None:
    taken = threading.Lock()
    taken.acquire()
    thread = threading.Thread(target=taken.acquire)
    thread.start()
    assert thread.native_id is not None
    while not (sight := threads.seen(os.getpid(), thread.native_id)).asleep:
        pass
    wait = threads.wait_of(os.getpid(), thread.native_id, sight.syscall)
    assert wait is not None
    assert wait.on == "lock"
    taken.release()
    thread.join()
    # Python has no more of it before the kernel has ended it.
    while threads.seen(os.getpid(), thread.native_id) != ("", "", ""):
        pass


def test_own_thread_runs() -> None:
    sight = threads.seen(os.getpid(), threading.get_native_id())
    assert sight.state == "R"
    assert sight.processor_seconds > 0


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_addresses_of_sockets(host: str) -> None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        shown = "[::1]:%d" if ":" in host else "127.0.0.1:%d"
        own = shown % server.getsockname()[1]
        with socket.create_connection(server.getsockname()[:2]) as client:
            listening = threads.socket_of(os.getpid(), server.fileno())
            connected = threads.socket_of(os.getpid(), client.fileno())
        assert listening == (True, own, "")
        assert connected == (False, shown % client_port(connected), own)


def client_port(found: tuple[bool, str, str]) -> int:
    return int(found[1].rpartition(":")[2])


def test_address_of_a_socket_with_a_path(tmp_path: os.PathLike[str]) -> None:
    path = f"{os.fspath(tmp_path)}/server"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(path)
        server.listen()
        assert threads.socket_of(os.getpid(), server.fileno()) == (True, path, "")


@pytest.mark.parametrize("host", ["127.0.0.1", "::1", "", "abstract"])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_own_sockets_are_as_in_the_tables(
    tmp_path: os.PathLike[str], host: str, kind: socket.SocketKind
) -> None:
    path = f"{os.fspath(tmp_path)}/server"
    if ":" in host or "." in host:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        address: object = (host, 0)
    else:
        family, address = socket.AF_UNIX, path if not host else "\0" + path
    with socket.socket(family, kind) as server, socket.socket(family, kind) as client:
        server.bind(address)  # type: ignore[arg-type]
        if kind == socket.SOCK_STREAM:
            server.listen()
        client.connect(server.getsockname())
        for each in (server, client):
            inode = str(os.fstat(each.fileno()).st_ino)
            in_table = next(threads.sockets(os.getpid(), inode))
            assert threads.socket_of(os.getpid(), each.fileno()) == in_table


def test_own_socket_stays_as_it_is() -> None:
    ours, theirs = socket.socketpair()
    socket.setdefaulttimeout(0.1)
    try:
        threads.socket_of(os.getpid(), ours.fileno())
    finally:
        socket.setdefaulttimeout(None)
    threads.socket_of(os.getpid(), ours.fileno())
    with ours, theirs:
        assert os.get_blocking(ours.fileno())
        theirs.send(b"x")
        assert ours.recv(1) == b"x"


def no_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")


def nothing_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "turns", lambda *_: "")


@pytest.mark.parametrize(
    ("change", "error"), [(no_linux, PeerError), (nothing_shown, unittest.SkipTest)]
)
def test_where_nothing_can_be_known(
    monkeypatch: pytest.MonkeyPatch,
    change: Callable[[pytest.MonkeyPatch], None],
    error: type[Exception],
) -> None:
    assert threads.why_unreadable() == ""
    change(monkeypatch)
    assert type(unknown(threads.why_unreadable())) is error
