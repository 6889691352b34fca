"""Peers of this package."""

from __future__ import annotations

import operator
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property

import far
import pytest_peer
from rounds import Missing
from systems.system import Line, System

OFFERS = frozenset(
    [
        "boot",
        "many",
        "idle",
        "trips",
        "siblings",
        "together",
        "pipelined",
        "payload",
        "during",
        "print",
        "suite",
    ]
)
#: Measurements that the kind of connection changes.
OFFERS_TCP = frozenset(["boot", "trips", "pipelined", "payload"])


class Peers(System):
    """Peers with one `start_method`, on pipes."""

    def __init__(self, start_method: str) -> None:
        self.start_method = start_method
        self.name = f"peer {start_method}"
        self.offers = OFFERS
        if start_method == "spawn":
            self.offers |= {"plugin"}  # what that costs depends on no peer: once is enough

    @cached_property
    def options(self) -> dict[str, object]:
        """Return options of `pytest_peer.start`.

        :raises Missing: this version has no such option.
        """
        try:
            pytest_peer.start(start_method=self.start_method).stop()
        except TypeError:
            if self.start_method == "spawn":
                return {}  # a version without the option always spawns
            raise Missing("no option start_method") from None
        return {"start_method": self.start_method}

    def boot(self) -> dict[str, float]:
        options = self.options
        began = time.perf_counter()
        peer = pytest_peer.start(**options)
        peer.call(operator.add, 1, 2)
        booted = time.perf_counter()
        peer.stop()
        return {"boot": booted - began, "stop": time.perf_counter() - booted}

    @contextmanager
    def many(self, count: int) -> Iterator[list[int]]:
        peers: list[pytest_peer.Peer] = []
        try:
            while len(peers) < count:
                peers.append(pytest_peer.start(wait_boot=False, **self.options))
            group = pytest_peer.PeerGroup(peers)  # what `peer_factory.many` gives
            for peer in peers:
                peer.wait_boot(60)
            group.call(operator.add, 1, 2)
            yield [peer.pid for peer in peers]
        finally:
            pytest_peer.PeerGroup(peers).stop()

    @contextmanager
    def line(self) -> Iterator[Line]:
        with pytest_peer.start(**self.options) as peer:
            yield _Line(peer, self.options)


class PeersOverTcp(Peers):
    """Spawned peers that connect to their origin over TCP."""

    def __init__(self) -> None:
        super().__init__("spawn")
        self.name = "peer TCP"
        self.offers = OFFERS_TCP

    @cached_property
    def options(self) -> dict[str, object]:
        return {"connection": 0}


class _Line(Line):
    def __init__(self, peer: pytest_peer.Peer, options: dict[str, object]) -> None:
        self._peer = peer
        self._peer_options = options
        self.pids = [peer.pid]

    def trip(self) -> object:
        return self._peer.call(operator.add, 1, 2)

    def siblings(self, count: int) -> list[float]:
        with pytest_peer.start(**self._peer_options) as other:
            times: list[float] = other.call(far.sibling_trips, self._peer.name, count)
        return times

    def push(self, payload: bytes) -> object:
        return self._peer.call(len, payload)

    def pull(self, size: int) -> object:
        return self._peer.call(far.payload, size)

    def pipelined(self, count: int) -> None:
        for future in [self._peer.submit(operator.add, 1, 2) for _ in range(count)]:
            future.result()

    def print(self, count: int) -> None:
        self._peer.call(far.print_lines, count)
