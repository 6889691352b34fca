"""What tests of the lives of peers have in common."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest
from programs_as_origins import said_by

import pytest_peer


@pytest.fixture
def mortal(peer_factory) -> pytest_peer.Peer:
    """A peer whose death is nobody's fault."""
    return peer_factory(name="mortal", peer_down="continue")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[str]]:
    """`said_by`, with a place of the test's own."""
    return partial(said_by, tmp_path)
