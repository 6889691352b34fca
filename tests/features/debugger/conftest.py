"""Runs of pytest at a terminal."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from at_a_terminal import AtTerminal, starter
from inner_pytest import Inner


@pytest.fixture
def at_terminal(inner: Inner) -> Iterator[Callable[..., AtTerminal]]:
    """A function that runs tests at a terminal: their source, and arguments of pytest."""
    started: list[AtTerminal] = []
    yield starter(inner, started)
    for each in started:
        each.child.close(force=True)
