"""`reserve_port` gives a port that nobody else gets, for the code under test to bind."""

from __future__ import annotations

import socket
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from inner_pytest import Inner
from timeouts import LONG

import pytest_peer
from pytest_peer import Peer
from pytest_peer.core import ports
from pytest_peer.peers.process import PeerProcess

#: Says the ports that ten peers of another origin have reserved, and keeps them.
OTHER_ORIGIN = """
import pytest_peer

if __name__ == "__main__":
    with pytest_peer.start() as peer:
        print(*(peer.reserve_port() for _ in range(10)), flush=True)
        input()
"""


def bind(port: int, family: int = socket.AF_INET, kind: int = socket.SOCK_STREAM) -> None:
    with socket.socket(family, kind) as bound:
        bound.bind(("", port))


def serve(port: int) -> bytes:
    with socket.create_server(("127.0.0.1", port)) as server:
        accepted, _ = server.accept()
        with accepted:
            return accepted.recv(1)


def test_code_in_the_peer_can_serve_on_it(peer: Peer) -> None:
    port = peer.reserve_port()
    served = peer.submit(serve, port)
    pytest_peer.eventually(lambda: client(port), LONG)
    assert served.result(LONG) == b"x"


def client(port: int) -> bool:
    with socket.create_connection(("127.0.0.1", port), LONG) as connection:
        connection.sendall(b"x")
    return True


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
@pytest.mark.parametrize("kind", [socket.SOCK_STREAM, socket.SOCK_DGRAM])
def test_it_is_free_for_every_protocol(shared: Peer, family: int, kind: int) -> None:
    if family == socket.AF_INET6 and not socket.has_ipv6:
        pytest.skip("no IPv6")
    shared.call(bind, shared.reserve_port(), family, kind)


def test_kernel_does_not_give_it_to_others(shared: Peer) -> None:
    first, last = ports._kernels()
    assert not first <= shared.reserve_port() <= last


def test_no_two_are_the_same(peer_factory: Any) -> None:
    group = peer_factory.many(3)
    found = [peer.reserve_port() for peer in group for _ in range(10)]
    assert len(set(found)) == 30


def test_other_origins_get_others(
    peer: Peer, tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    few = ports.candidates(ports._kernels(), ports._reserved())[:40]
    (tmp_path / "origin.py").write_text(
        f"from pytest_peer.core import ports\nports.candidates = lambda *_: {few}\n" + OTHER_ORIGIN
    )
    monkeypatch.setattr(ports, "candidates", lambda *_: few)
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, tmp_path / "origin.py"], text=True, **pipes) as origin:
        theirs = set(map(int, origin.stdout.readline().split()))  # type: ignore[union-attr]
        ours = {peer.reserve_port() for _ in range(10)}
        origin.communicate("\n", LONG)
    assert len(theirs) == len(ours) == 10
    assert not theirs & ours


def test_port_in_use_is_not_given(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    used, free = peer.reserve_port(), peer.reserve_port()
    for lock in (ports._held[used], ports._held[free]):
        lock.release()
    monkeypatch.setattr(ports, "candidates", lambda *_: [used, free])
    with socket.socket(socket.AF_INET6 if socket.has_ipv6 else socket.AF_INET) as bound:
        bound.bind(("", used))
        assert peer.reserve_port() == free
        with pytest.raises(OSError, match="no port is free"):
            peer.reserve_port()


@pytest.mark.parametrize(
    "act",
    [Peer.restart, lambda peer: (peer.kill(), peer.restart()), Peer.kill],
    ids=["restart", "kill and restart", "kill"],
)
def test_it_stays_reserved_as_long_as_the_handle(peer: Peer, act: Callable[[Peer], object]) -> None:
    port = peer.reserve_port()
    act(peer)
    with pytest.raises(OSError, match="in use"):
        ports.Lock(port)


def test_it_is_free_after_the_test(inner: Inner) -> None:
    inner.write("""
        def test_port(peer):
            with open("port", "w") as file:
                file.write(str(peer.reserve_port()))
        """)
    inner.run().assert_outcomes(passed=1)
    ports.Lock(int((inner.path / "port").read_text())).release()


def test_it_is_free_when_the_peer_is_stopped(peer_factory: Any) -> None:
    with pytest_peer.start() as alone:
        found = [alone.reserve_port()]
    group = peer_factory.many(2)
    found += [peer.reserve_port() for peer in group]
    group.stop()
    for port in found:
        ports.Lock(port).release()


def test_address_of_no_host_is_an_error(shared: Peer) -> None:
    with pytest.raises(OSError, match=r"host '192\.0\.2\.1' cannot be bound on"):
        shared.reserve_port("192.0.2.1")


def test_host_of_a_wrong_type_is_refused(shared: Peer) -> None:
    with pytest.raises(TypeError, match="host: "):
        shared.reserve_port(80)  # type: ignore[arg-type]


def test_peer_on_another_machine_locks_it_there(
    peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PeerProcess, "elsewhere", True)
    port = peer.reserve_port()
    assert port not in ports._held
    with pytest.raises(OSError, match="in use"):
        ports.Lock(port)
    peer.restart()
    with pytest.raises(OSError, match="in use"):
        ports.Lock(port)
    peer.stop()
    ports.Lock(port).release()
