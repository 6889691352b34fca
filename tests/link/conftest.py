"""Peers in several states, for tests of the link."""

from __future__ import annotations

from typing import Any

import pytest
from gates import Gate

from pytest_peer import Peer


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> Peer:
    """For tests that leave nothing running."""
    return module_peer_factory()


@pytest.fixture
def booting(peer_factory: Any, gate: Gate) -> Peer:
    return peer_factory(exec=gate.launcher(), wait_boot=False)


@pytest.fixture
def dead(peer_factory: Any) -> Peer:
    peer = peer_factory()
    peer.kill()
    return peer


@pytest.fixture
def mortal(peer_factory: Any) -> Peer:
    """Its death is no news."""
    return peer_factory(peer_down="continue")
