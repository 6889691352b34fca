from __future__ import annotations

import os

import pytest

from measurements import Measured


@pytest.fixture
def measured(inner, monkeypatch):
    """A directory for tests whose coverage is measured."""
    for name in list(os.environ):
        if name.startswith(("COV_", "COVERAGE_")):  # these tests may be measured themselves
            monkeypatch.delenv(name)
    return Measured(inner)
