"""Tests for a pytest that dies meanwhile; other tests run them."""

from __future__ import annotations

import os
import threading

import pytest
from origin_program import tell_and_wait


@pytest.fixture
def peers(peer_factory):
    tell_and_wait(peer_factory, os.environ["PEER_TESTS_START_METHOD"])


def test_is_killed(peers):
    threading.Event().wait()


@pytest.mark.timeout(0.1, method="thread", func_only=True)  # the fixture takes its time
def test_takes_too_long(peers):
    threading.Event().wait()
