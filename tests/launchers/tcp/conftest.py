"""Peers over each kind of connection."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from kinds_of_connections import CONNECTIONS
from strangers import Besieged

import pytest_peer


def require(connection: str) -> None:
    """Skip if the machine has no such connections; in CI that is a failure."""
    if connection != "ipv6":
        return
    try:
        with socket.socket(socket.AF_INET6) as sock:
            sock.bind(("::1", 0))
    except OSError as exc:
        reason = f"no IPv6 on this machine: {exc}"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)


#: Tests of all features have peers over stdio; a port is an address once the option has been read.
@pytest.fixture(params=[name for name in CONNECTIONS if name not in ("stdio", "address")])
def options(request: pytest.FixtureRequest) -> dict[str, Any]:
    """Options for each connection, one after the other."""
    require(request.param)
    return CONNECTIONS[request.param]


@pytest.fixture
def start(peer_factory: Any, options: dict[str, Any]) -> Callable[..., pytest_peer.Peer]:
    """A factory of peers over that connection."""
    return lambda **more: peer_factory(**options, **more)


@pytest.fixture
def besieged(peer_factory: Any, gate: Any) -> Iterator[Besieged]:
    """A peer over TCP that has not started yet, and strangers that know its port."""
    with Besieged(peer_factory, gate) as besieged:
        yield besieged
