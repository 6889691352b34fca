"""Assertions about stops, and their time."""

from __future__ import annotations

import contextlib
import time

from processes import is_running

import pytest_peer


@contextlib.contextmanager
def taking_less_than(seconds: float):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def assert_stopped(peer: pytest_peer.Peer) -> None:
    assert peer.state == "down"
    assert peer.down_reason.kind == "stopped"
    assert not is_running(peer.pid)
