"""Interpreters in which nothing is installed."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from pythons import NEWEST

from pytest_peer import Peer


@pytest.fixture(
    scope="module",
    params=["3.8", "3.9", "3.12", NEWEST, pytest.param("-S", id="same without site-packages")],
)
def bare(request: pytest.FixtureRequest, module_peer_factory: Any, requires_python: Any) -> Peer:
    version = request.param
    command = [sys.executable, "-S"] if version == "-S" else [requires_python(version), "-I"]
    return module_peer_factory(exec=command)
