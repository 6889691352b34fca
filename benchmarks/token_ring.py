"""A token that goes round several peers, for `decisions`: `settle` must not end before it does."""

from __future__ import annotations

import random
import socket
import statistics
import struct
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

from pytest_peer import PeerGroup, start

PEERS = 5
_TOKEN = struct.Struct("I")
_SECONDS = 60.0


def listen() -> int:
    """Listen for the peer before this one; return the port."""
    global _server
    _server = socket.create_server(("127.0.0.1", 0))
    port: int = _server.getsockname()[1]
    return port


_server: socket.socket


def pass_on(port: int, ends: str) -> None:
    """Take tokens and send each to the next, which listens there, until it has gone its hops.

    ``ends`` is a file that gets a byte for each token then.
    """
    following = socket.create_connection(("127.0.0.1", port))
    following.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(2):
        threading.Thread(target=_take_from, args=[following, ends], daemon=True).start()


def _take_from(following: socket.socket, ends: str) -> None:
    incoming, _ = _server.accept()
    chance = random.Random()
    while data := incoming.recv(_TOKEN.size, socket.MSG_WAITALL):
        (left,) = _TOKEN.unpack(data)
        until = time.perf_counter() + chance.random() * 0.0003
        while time.perf_counter() < until:
            pass
        if left:
            following.sendall(_TOKEN.pack(left - 1))
        else:
            with open(ends, "ab") as file:
                file.write(b".")


def rounds(count: int) -> int:
    """Let so many tokens go round; return for how many `settle` returned too early."""
    early, times = 0, []
    with tempfile.TemporaryDirectory() as directory, ExitStack() as ended:
        ends = Path(directory, "ends")
        ends.touch()
        peers = [ended.enter_context(start(shutdown=("halt", 0))) for _ in range(PEERS)]
        group = PeerGroup(peers)
        ports = group.call(listen)
        group.map(pass_on, [*ports[1:], ports[0]], [str(ends)] * PEERS)
        first = ended.enter_context(socket.create_connection(("127.0.0.1", ports[0])))
        for turn in range(count):
            first.sendall(_TOKEN.pack((3, 30, 300)[turn % 3]))
            begun = time.perf_counter()
            group.settle(_SECONDS)
            times.append((time.perf_counter() - begun) * 1e3)
            if ends.stat().st_size != turn + 1:
                early += 1
                while ends.stat().st_size != turn + 1:
                    time.sleep(0.01)
        quiet = []
        for _ in range(20):
            begun = time.perf_counter()
            group.settle(_SECONDS)
            quiet.append((time.perf_counter() - begun) * 1e3)
    print(f"{count} rounds, median {statistics.median(times):.1f} ms; early: {early}")
    print(f"{PEERS} peers at rest: median {statistics.median(quiet):.1f} ms")
    return early
