"""Runs of pytest with peers and other plugins."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
from neighbours import load_beside_peer


@pytest.fixture
def load(inner, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A function: load these plugins in inner runs."""
    return partial(load_beside_peer, monkeypatch)
