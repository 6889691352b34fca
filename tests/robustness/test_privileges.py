"""The origin was root when it started its peers, and gives that up."""

from __future__ import annotations

import contextlib
import os
import signal
import sys

import pytest

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no Linux: no fork server"),
    pytest.mark.skipif(os.geteuid() != 0, reason="not root: nothing to give up"),
]

GIVEN_UP = """
    os.setgid(65534)
    os.setuid(65534)
"""


@pytest.mark.parametrize("how", ["with", "without"])
def test_origin_without_the_right_to_kill_stops_a_peer(run, how):
    """With a fork server, and without one."""
    said = run(
        "import pytest_peer.launch.forkserver.registry as registry",
        "registry.unavailable = lambda: 'a test'" if how == "without" else "",
        """
        def leave():
            import subprocess
            return subprocess.Popen(["sleep", "600"], start_new_session=True).pid
        peer = start()
        print(peer.call(leave))
        """,
        GIVEN_UP,
        """
        begun = time.monotonic()
        print(told(peer.stop), peer.down_reason, time.monotonic() - begun < 10)
        """,
    )
    with contextlib.suppress(ProcessLookupError):  # a fork server has killed it
        os.kill(int(said[0]), signal.SIGKILL)
    assert said[1:] == ["None stopped (exited with status 0) True"]
