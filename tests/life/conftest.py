"""What tests of the lives of peers have in common."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

import pytest_peer


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """A function that makes a shell script."""

    def make(script: str) -> Path:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


@pytest.fixture
def mortal(peer_factory) -> pytest_peer.Peer:
    """A peer whose death is nobody's fault."""
    return peer_factory(name="mortal", peer_down="continue")
