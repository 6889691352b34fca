"""Runs of pytest with peers and other plugins."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial

import pytest
from neighbours import load_beside_peer

from measurements import Measured


@pytest.fixture
def load(inner, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function: load these plugins in inner runs."""
    return partial(load_beside_peer, monkeypatch)


@pytest.fixture
def measured(inner, monkeypatch):
    """A directory for tests whose coverage is measured."""
    for name in list(os.environ):
        if name.startswith(("COV_", "COVERAGE_")):  # these tests may be measured themselves
            monkeypatch.delenv(name)
    return Measured(inner)
