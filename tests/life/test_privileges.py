"""An origin that was root when it started its peers, and gives that up while they live."""

from __future__ import annotations

import os
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
def test_a_peer_that_hangs_is_killed_by_an_origin_that_has_no_right_to(
    run, start_method, ending, reason
):
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
