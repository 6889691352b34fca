"""A peer over TCP does not outlive its origin, detached or not."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest
from kinds_of_connections import CONNECTIONS
from paths import SUPPORT
from process_ends import Watched
from tcp_origin_program import BUSY
from timeouts import GONE

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are watched by their descriptors"
)


@pytest.fixture(scope="module")
def outcome(request: pytest.FixtureRequest, tmp_path_factory: Any) -> dict[str, Any]:
    """Kill an origin; return for each peer the seconds to its last process, or those left."""
    words = [
        sys.executable,
        str(SUPPORT / "tcp_origin_program.py"),
        json.dumps(CONNECTIONS[request.param]),
    ]
    path = str(SUPPORT)
    environ = {**os.environ, "PYTHONPATH": path, "TMPDIR": str(tmp_path_factory.mktemp("peers"))}
    with subprocess.Popen(
        words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environ
    ) as origin:
        assert origin.stdout is not None
        told: dict[str, list[int]] = json.loads(origin.stdout.readline())
        everyone = [pid for pids in told.values() for pid in pids]
        with Watched([origin.pid, *everyone]) as watched:
            origin.kill()
            watched.wait(GONE)
            ended = watched.ended
            return {
                name: watched.left(pids) or max(ended[pid] for pid in pids) - ended[origin.pid]
                for name, pids in told.items()
            }


@pytest.mark.parametrize("outcome", ["tcp", "detached"], indirect=True)
@pytest.mark.parametrize("occupation", BUSY)
def test_peer_over_tcp_ends_with_its_killed_origin(outcome, occupation, record_property):
    assert isinstance(outcome[occupation], float)
    record_property("seconds", outcome[occupation])
