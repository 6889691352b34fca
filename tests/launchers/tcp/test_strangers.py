"""A stranger that connects to the port of a peer does not get in, does not keep the peer out,
and costs little."""

from __future__ import annotations

import contextlib
import pickle
import socket
import struct
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from strangers import Besieged, is_closed
from timeouts import LONGER

import pytest_peer

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="secrets of processes are read in /proc"
)


class Opens:
    """Unpickled, it leaves a file."""

    def __init__(self, path: Path) -> None:
        self.path = str(path)

    def __reduce__(self) -> Any:
        return open, (self.path, "w")


# What does not get in


@pytest.mark.parametrize(
    "said",
    [
        b"x" * 64,
        b"0" * 64,
        b"\0" * 64,
        b"\xff" * 10_000,
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: a-scanner-of-ports/1.0\r\n\r\n",
    ],
    ids=["wrong", "zeros", "NULs", "too_long", "HTTP"],
)
def test_wrong_secret_closes_the_connection(besieged, said):
    stranger = besieged.connect()
    stranger.sendall(said)
    assert is_closed(stranger)
    besieged.boot()


def test_secret_with_one_digit_wrong_closes_the_connection(besieged):
    right, _ = besieged.secrets()
    stranger = besieged.connect()
    stranger.sendall((right[:-1] + ("0" if right[-1] != "0" else "1")).encode())
    assert is_closed(stranger)
    besieged.boot()


def test_secret_of_the_origin_is_not_that_of_the_peer(besieged):
    _, origins = besieged.secrets()
    stranger = besieged.connect()
    stranger.sendall(origins.encode())
    assert is_closed(stranger)
    besieged.boot()


def test_nothing_that_a_stranger_says_is_unpickled(besieged, tmp_path):
    evidence = tmp_path / "unpickled"
    for pickled in (pickle.dumps(Opens(evidence)), pickle.dumps(Opens(evidence)) * 100):
        stranger = besieged.connect()
        stranger.sendall(pickled)
        with contextlib.suppress(OSError):  # it has been closed by now, perhaps
            stranger.shutdown(socket.SHUT_WR)
        assert is_closed(stranger)
    besieged.boot()
    assert not evidence.exists()


def test_stranger_gets_no_reply(besieged):
    stranger = besieged.connect()
    stranger.sendall(b"x" * 64)
    with pytest.raises((ConnectionError, EOFError)):
        if not stranger.recv(1):
            raise EOFError
    besieged.boot()


# What does not keep the peer out


def test_stranger_that_connects_and_holds(besieged):
    besieged.connect()
    besieged.boot()


def test_stranger_that_sends_half_of_the_secret_and_holds(besieged):
    right, _ = besieged.secrets()
    besieged.connect().sendall(right[:32].encode())
    besieged.boot()


def test_stranger_that_sends_a_byte_now_and_then(besieged):
    stranger = besieged.connect()
    for _ in range(5):
        stranger.sendall(b"x")
        time.sleep(0.02)  # nothing tells when the origin has read it
    besieged.boot()


def test_strangers_that_leave_at_once(besieged):
    for _ in range(100):
        besieged.connect().close()
    besieged.boot()


def test_strangers_that_reset_the_connection(besieged):
    for _ in range(100):
        stranger = besieged.connect()
        stranger.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        stranger.close()
    besieged.boot()


def test_many_strangers_that_hold(besieged):
    for _ in range(300):
        besieged.connect()
    besieged.boot()


def test_strangers_do_not_prolong_a_boot(peer_factory, gate):
    """A boot ends at its limit, also while strangers are connected."""
    with Besieged(peer_factory, gate, wait_boot=print) as besieged:
        besieged.connect().sendall(b"x")
        began = time.monotonic()
        with pytest.raises(pytest_peer.BootTimeout):
            besieged.peer.wait_boot(LONGER)
        assert time.monotonic() - began < LONGER / 2 + 5


def test_strangers_do_not_hide_that_the_program_has_ended(besieged):
    stranger = besieged.connect()
    besieged.process.kill()
    with pytest.raises(pytest_peer.BootError, match="SIGKILL"):
        besieged.peer.wait_boot(LONGER)
    assert is_closed(stranger)


def test_several_boots_under_siege(peer_factory, tmp_path):
    from gates import Gate

    gates = [Gate(tmp_path / f"gate{number}") for number in range(3)]
    every = [Besieged(peer_factory, gate) for gate in gates]
    try:
        for besieged in every:
            for _ in range(20):
                besieged.connect()
        threads = [threading.Thread(target=besieged.boot) for besieged in every]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(LONGER)
        assert all(besieged.peer.state == "running" for besieged in every)
    finally:
        for besieged, gate in zip(every, gates, strict=True):
            besieged.__exit__()
            gate.close()
