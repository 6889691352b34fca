"""Peers in containers on one network: the control link does not go over it."""

from __future__ import annotations

import signal
import socket
import subprocess
import uuid
from collections.abc import Iterator

import pytest
from test_containers import run
from timeouts import LONG

from pytest_peer import Peer, here

PORT = 4711

connected: list[socket.socket] = []


def address() -> str:
    return socket.gethostbyname(socket.gethostname())


def serve() -> None:
    """Greet each client."""
    listener = socket.create_server(("", PORT))
    connected.append(listener)
    here.origin.send("listening", here.name)
    accepted, _ = listener.accept()
    connected.append(accepted)
    accepted.sendall(f"welcome to {here.name}\n".encode())


def connect(host: str) -> str:
    """Connect, stay connected, and return what is said first."""
    connected.append(socket.create_connection((host, PORT), timeout=LONG))
    return connected[-1].makefile().readline()


def ends() -> tuple[str, str]:
    """Of the last connection: own address, other address."""
    return connected[-1].getsockname()[0], connected[-1].getpeername()[0]


@pytest.fixture
def network(networked_dockerd: list[str]) -> Iterator[str]:
    name = f"net-{uuid.uuid4().hex[:12]}"
    subprocess.run([*networked_dockerd, "network", "create", name], check=True, capture_output=True)
    yield name
    subprocess.run([*networked_dockerd, "network", "rm", name], check=False, capture_output=True)


@pytest.fixture
def pair(networked_dockerd, network, peer_factory) -> list[Peer]:
    return [
        peer_factory(
            exec=[
                word if word != "none" else network
                for word in run(
                    networked_dockerd, "--hostname", name, "--name", f"{name}-{network}"
                )
            ],
            name=name,
            wait_boot=40,
        )
        for name in ("one", "two")
    ]


def test_two_containers_talk_over_their_network(peer_factory, pair):
    one, two = pair
    where = one.call(address)
    assert where != two.call(address)
    one.cast(serve)
    assert peer_factory.mailbox("listening").get(LONG) == "one"
    assert two.call(connect, where) == "welcome to one\n"
    assert one.call(ends) == tuple(reversed(two.call(ends)))
    for peer in pair:
        peer.stop()
        assert peer.down_reason.exit_status == 0


def test_control_link_outlives_the_network(networked_dockerd, network, pair, peer_factory):
    one, two = pair
    where = one.call(address)
    subprocess.run(
        [*networked_dockerd, "network", "disconnect", network, f"two-{network}"], check=True
    )
    with pytest.raises(OSError, match=r"unreachable|timed out"):
        two.call(connect, where)
    assert two.call(here_is) == "two"


def here_is() -> str:
    return here.name


def test_podman(podman, started, trace):
    peer = started(podman)
    assert peer.call(here_is) == peer.name
    assert peer.restart().call(here_is) == peer.name
    peer.kill()
    assert peer.down_reason.signal == signal.SIGKILL
    trace.assert_gone(LONG)
