"""What a process gets whose peer has gone: peers end with what they have started, so nearly never."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_peer.link.protocol.here import Here

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs Linux's abstract sockets")


@pytest.fixture
def here() -> Here:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return Here(process.pid, "name", "")


def test_send_to_a_peer_that_has_gone_is_an_error(here: Here) -> None:
    with pytest.raises(OSError, match="is gone"):
        here.origin.send("box", 1)


def test_get_of_a_peer_that_has_gone_is_an_error(here: Here) -> None:
    with pytest.raises(OSError, match="is gone"):
        here.mailboxes["box"].get(1)
