"""What tests of the lives of peers have in common."""

from __future__ import annotations

import pytest

import pytest_peer


@pytest.fixture
def mortal(peer_factory) -> pytest_peer.Peer:
    """A peer whose death is nobody's fault."""
    return peer_factory(name="mortal", peer_down="continue")
