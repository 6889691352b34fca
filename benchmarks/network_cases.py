"""What `network.py` measures, as tests; each prints a line."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import time
from collections import defaultdict
from collections.abc import Iterator

import psutil
import pytest

#: Of the command line.
NETWORKS, TRIPS, LOSSY = (
    int(os.environ[f"NETWORK_{each}"]) for each in ("NETWORKS", "TRIPS", "LOSSY")
)
SECONDS = float(os.environ["NETWORK_SECONDS"])
LONG = 600.0
CHUNK = 1 << 20
PORT = 5000
#: Round trips of a turn, of which the median counts.
TURN = 300


# In the peers


def count_bytes() -> float:
    """Take all that one sender sends; return megabits a second."""
    with socket.create_server(("", PORT)) as server:
        print("listening", flush=True)
        sock, _ = server.accept()
        count, begun = 0, time.monotonic()
        while got := len(sock.recv(CHUNK)):
            count += got
        return count * 8 / 1e6 / (time.monotonic() - begun)


def send_bytes(address: str, seconds: float) -> None:
    with socket.create_connection((address, PORT), LONG) as sock:
        chunk, end = bytes(CHUNK), time.monotonic() + seconds
        while time.monotonic() < end:
            sock.sendall(chunk)


def echo() -> None:
    with socket.create_server(("", PORT)) as server:
        print("listening", flush=True)
        while True:
            sock, _ = server.accept()
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while data := sock.recv(100):
                sock.sendall(data)


_connections: dict[str, socket.socket] = {}


def trip_times(address: str, count: int) -> list[float]:
    """Send a byte and wait for it so many times; return the seconds of each."""
    if address not in _connections:
        _connections[address] = socket.create_connection((address, PORT), LONG)
        _connections[address].setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock, found = _connections[address], []
    for _ in range(count):
        begun = time.perf_counter()
        sock.sendall(b"x")
        sock.recv(1)
        found.append(time.perf_counter() - begun)
    return found


# In the test

#: Seconds, by the number of hosts and the way of making.
made: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
ended: defaultdict[tuple[int, str], list[float]] = defaultdict(list)
SPARE, NO_SPARE, NO_NETWORK = "with a spare", "without a spare", "without a network"


def spares() -> list[psutil.Process]:
    """Return what has been made in advance for a network, by its namespaces."""
    own, found = os.stat("/proc/self/ns/net").st_ino, []
    for process in psutil.Process().children(recursive=True):
        try:
            is_spare = process.cmdline()[-1].startswith("pytest-peer-spare")
            if is_spare and os.stat(f"/proc/{process.pid}/ns/net").st_ino != own:
                found.append(process)
        except (psutil.Error, OSError, IndexError):
            pass  # it has just ended
    return found


@pytest.fixture
def prepared(hosts: int, way: str) -> Iterator[None]:
    """Have a spare or none before a network is made, and see how long its end takes."""
    deadline = time.monotonic() + 2.0
    while way == SPARE and not spares() and time.monotonic() < deadline:
        time.sleep(0.01)
    time.sleep(0.2)  # it is finished
    for each in spares() if way == NO_SPARE else ():
        each.send_signal(signal.SIGKILL)
        each.wait()
    yield
    ended[hosts, way].append(time.perf_counter() - _body_ended[0])


_body_ended = [0.0]
TURNS = [
    (hosts, way)
    for hosts, count in ((3, 3 * NETWORKS), (20, NETWORKS), (100, NETWORKS // 3 + 1))
    for _ in range(count if NETWORKS else 0)
    for way in (SPARE, NO_SPARE, NO_NETWORK)
]


@pytest.mark.parametrize(("hosts", "way"), TURNS)
@pytest.mark.usefixtures("prepared")
def test_making(request: pytest.FixtureRequest, hosts: int, way: str) -> None:
    begun = time.perf_counter()
    fixture = "peer_factory" if way == NO_NETWORK else "peer_network"
    request.getfixturevalue(fixture).many(hosts).call(os.getpid)
    _body_ended[0] = time.perf_counter()
    made[hosts, way].append(_body_ended[0] - begun)


@pytest.mark.skipif(not NETWORKS, reason="--networks 0")
def test_times_of_making() -> None:
    for (hosts, way), times in made.items():
        print(
            f"\n{hosts} peers, {way}: median {_ms(times)}, least {min(times) * 1e3:.0f} ms; "
            f"their end {_ms(ended[hosts, way])}",
            end="",
        )
    print(flush=True)


def _ms(times: list[float]) -> str:
    return f"{statistics.median(times) * 1e3:.0f} ms"


@pytest.mark.skipif(not SECONDS, reason="--seconds 0")
def test_rate(peer_network, peer_factory) -> None:
    rates = []
    for make in (peer_network.many, peer_factory.many):
        taker, sender = make(2)
        counted = taker.submit(count_bytes)
        taker.stdout.wait_for("listening")
        address = getattr(taker, "address", "127.0.0.1")
        sender.call(send_bytes, address, SECONDS)
        rates.append(counted.result())
    print(
        f"\nTCP through the switch: {rates[0]:.0f} Mbit/s; by the loopback: {rates[1]:.0f} Mbit/s"
    )


@pytest.mark.skipif(not TRIPS, reason="--trips 0")
def test_trips(peer_network, peer_factory) -> None:
    pairs = []
    for make in (peer_network.many, peer_factory.many):
        server, client = make(2)
        server.cast(echo)
        server.stdout.wait_for("listening")
        pairs.append((client, getattr(server, "address", "127.0.0.1"), []))
    for _ in range(max(1, TRIPS // TURN)):
        for client, address, medians in pairs:
            times = client.call(trip_times, address, TURN)
            medians.append(statistics.median(times) * 1e3)
    switch, loopback = (medians for _, _, medians in pairs)
    more = statistics.median(a - b for a, b in zip(switch, loopback, strict=True))
    print(
        f"\nround trip of a byte: {statistics.median(switch):.3f} ms through the switch, "
        f"{statistics.median(loopback):.3f} ms by the loopback, {more:.3f} ms more"
    )


@pytest.mark.skipif(not LOSSY, reason="--lossy 0")
def test_loss(peer_network) -> None:
    seconds = {}
    for tcp in ("kernel", "fast"):
        server, client = peer_network.many(2, tcp=tcp, call_timeout=None)
        server.cast(echo)
        server.stdout.wait_for("listening")
        client.call(trip_times, server.address, 1)
        peer_network.link(client, server).set(loss=0.2)
        peer_network.link(server, client).set(loss=0.2)
        seconds[tcp] = sum(client.call(trip_times, server.address, LOSSY))
    print(
        f"\n{LOSSY} round trips at 20 % loss each way: {seconds['kernel']:.1f} s with "
        f"tcp='kernel', {seconds['fast']:.2f} s with 'fast', {seconds['kernel'] / seconds['fast']:.1f} x"
    )
