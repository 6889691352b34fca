"""The origin was root when it started its peers, and gives that up."""

from __future__ import annotations

import os
import signal
import sys

import pytest

pytestmark = [
    pytest.mark.skipif(not sys.platform.startswith("linux"), reason="no Linux: no fork server"),
    pytest.mark.skipif(os.geteuid() != 0, reason="not root: nothing to give up"),
]

STATE = """
    from occupations import hold_the_gil
    def state(pid):
        return open(f"/proc/{pid}/stat").read().rpartition(")")[2].split()[0]
"""
GIVEN_UP = """
    os.setgid(65534)
    os.setuid(65534)
"""


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
@pytest.mark.parametrize(
    ("ending", "reason"),
    [("kill", "killed by SIGKILL"), ("stop", "stopped (killed by SIGKILL)")],
)
def test_origin_without_the_right_to_kill_kills_a_hanging_peer(run, start_method, ending, reason):
    said = run(
        STATE,
        f"peer = start(start_method={start_method!r}, shutdown=('halt', 0.2))",
        "peer.cast(hold_the_gil); peer.stdout.wait_for('holding', 20)",
        GIVEN_UP,
        f"begun = time.monotonic(); print(told(peer.{ending}), peer.down_reason)",
        "print(time.monotonic() - begun < 5)",
    )
    assert said == [f"None {reason}", "True"]


def test_a_peer_is_paused_by_an_origin_that_has_no_right_to(run):
    said = run(
        STATE,
        "peer = start(); peer.call(int)",  # with what needs the right to read files
        GIVEN_UP,
        "peer.pause(); print(state(peer.pid)); peer.resume(); print(peer.call(int))",
    )
    assert said == ["T", "0"]


def test_origin_without_the_right_to_kill_stops_a_peer(run):
    """Without a fork server, which would have the right."""
    said = run(
        "import pytest_peer.launch.forkserver.registry; pytest_peer.launch.forkserver.registry.unavailable = lambda: 'a test'",
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
    os.kill(int(said[0]), signal.SIGKILL)
    assert said[1:] == ["None stopped (exited with status 0) True"]
