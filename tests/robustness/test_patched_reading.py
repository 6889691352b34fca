"""A test makes reading and writing fail in the whole process, for a moment."""

from __future__ import annotations

import os
import signal
from unittest import mock

import pytest
from timeouts import LONG

import pytest_peer


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.parametrize("function", ["os.read", "os.write"])
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_deaths_are_reported_after_reading_failed_everywhere(peer_factory, function):
    first, second = peer_factory.many(2, peer_down="continue")
    with mock.patch(function, side_effect=ZeroDivisionError):
        first.kill()
    with pytest.raises(pytest_peer.PeerDown) as caught:
        second.call_within(LONG, die)
    assert caught.value.reason.signal == signal.SIGKILL
