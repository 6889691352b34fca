"""No peer outlives the connection to its origin, whatever the connection goes through."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import occupations
import pytest
from manifests import manifest
from paths import SUPPORT
from ways import WAYS

import pytest_peer

ORIGIN = SUPPORT / "far_origin_program.py"

OCCUPATIONS = ["idle", "loop", "sleep", "sleep_in_c", "deaf", "stopped", "with_children"]
#: What a peer does is up to its own process. The ways differ in how they pass on an end, for which
#: two occupations are enough.
CELLS = [
    (way, occupation)
    for way in WAYS
    for occupation in OCCUPATIONS
    if way == "bare" or occupation in ("sleep_in_c", "with_children")
]
each_cell = pytest.mark.parametrize(("way", "occupation"), CELLS, indirect=["way"])


def become(occupation: str) -> None:
    """Take up an occupation in the peer."""
    if occupation == "deaf":
        occupations.ignore_signals()
        occupations.loop()
    elif occupation == "stopped":
        os.kill(os.getpid(), signal.SIGSTOP)
    elif occupation == "with_children":
        occupations.ignore_signals()
        occupations.start_subprocess()
        occupations.start_daemon()
        occupations.start_in_a_session_of_its_own()
        occupations.sleep()
    elif occupation != "idle":
        getattr(occupations, occupation)()


@pytest.fixture
def occupied(far: pytest_peer.Peer, occupation: str) -> pytest_peer.Peer:
    far.cast(become, occupation)
    if occupation not in ("idle", "stopped"):
        far.stdout.wait_for("waiting", 20)
    return far


@each_cell
def test_peer_ends_with_its_launcher(way, occupied, trace):
    os.kill(manifest(occupied)["launcher_pid"], signal.SIGKILL)
    trace.assert_gone(way.patience)
    assert occupied.wait_down(5).kind == "link lost"


@each_cell
def test_killed_peer_takes_along_what_it_started(occupied, trace):
    occupied.kill()
    trace.assert_gone(0.5)


def test_what_a_dead_peer_has_started_is_gone_when_it_is_down(far, trace):
    far.call(occupations.start_daemon)
    far.cast(os._exit, 3)
    assert far.wait_down(20).exit_status == 3
    trace.assert_gone(0.5)


@pytest.fixture
def origin(way, trace, tmp_path) -> Iterator[Callable[[str], subprocess.Popen[str]]]:
    """Return a function that starts a process with an occupied peer."""
    process: list[subprocess.Popen[str]] = []

    def start(occupation: str) -> subprocess.Popen[str]:
        options = {"exec": way.exec, "env": trace.env, "artifacts": str(tmp_path)}
        path = os.pathsep.join(entry for entry in sys.path if entry)
        process.append(
            subprocess.Popen(
                [sys.executable, str(ORIGIN), json.dumps(options), occupation],
                stdout=subprocess.PIPE,
                text=True,
                env={**os.environ, "PYTHONPATH": path},
            )
        )
        assert process[0].stdout is not None
        assert process[0].stdout.readline() == "occupied\n"
        return process[0]

    yield start
    for each in process:
        each.kill()
        each.wait()
        each.stdout.close()


@each_cell
def test_peer_ends_with_its_killed_origin(way, origin, trace, occupation):
    process = origin(occupation)
    assert trace.pids()
    process.kill()
    trace.assert_gone(way.patience)
