"""Programs that execute another one with all descriptors need no configuration."""

from __future__ import annotations

import operator
import os
import shutil
import signal
import sys
import time

import psutil
import pytest
from timeouts import LONGER
from ways import available, found

#: As in the guide.
PREFIXES = {
    "env": ["COLOUR=red"],
    "nice": ["-n", "1"],
    "ionice": ["-c", "3"],
    "taskset": ["-c", "0"],
    "setsid": [],
    "stdbuf": ["-oL"],
    "timeout": ["300"],
    "unshare": ["--fork"],
    "faketime": ["-f", "+1y"],
    "strace": ["-f", "-o", "/dev/null"],
    "uv": ["run", "--no-project", "--python", sys.executable],
    "valgrind": ["-q", "--tool=none"],
}


@pytest.mark.timeout(150)
@pytest.mark.parametrize("name", PREFIXES)
def test_prefix_needs_nothing(peer_factory, name):
    with available():
        beside = shutil.which(name, path=os.path.dirname(sys.executable))
        program = beside or found(name)
    peer = peer_factory(exec=[program, *PREFIXES[name], sys.executable], wait_boot=3 * LONGER)
    assert peer.call_within(60, os.getpid) == peer.pid


@pytest.mark.parametrize("options", [["-w"], ["--fork", "--wait"]])
def test_setsid_with_options_needs_nothing(peer_factory, options):
    with available():
        program = found("setsid")
    peer = peer_factory(exec=["env", program, *options, sys.executable])
    assert peer.call(os.getpid) == peer.pid
    assert peer.call(os.getsid, 0) == peer.pid


@pytest.fixture
def elsewhere(peer_factory):
    """A peer whose interpreter is not in the process group of its launcher."""
    with available():
        program = found("setsid")
    script = f'"{program}" --wait "$@"; exit 0'
    peer = peer_factory(exec=["sh", "-c", script, "sh", sys.executable])
    assert peer.call(os.getpgrp) != peer.call(lambda: os.getpgid(os.getppid()))
    return peer


def test_pause_stops_an_interpreter_outside_the_launchers_group(elsewhere):
    elsewhere.pause()
    assert psutil.Process(elsewhere.pid).status() == psutil.STATUS_STOPPED
    elsewhere.resume()
    assert elsewhere.call(operator.add, 1, 2) == 3


def test_kill_signals_an_interpreter_outside_the_launchers_group(elsewhere):
    elsewhere.call(signal.signal, signal.SIGUSR1, signal.SIG_IGN)
    elsewhere.kill(signal.SIGUSR1)
    assert elsewhere.call(operator.add, 1, 2) == 3


@pytest.mark.skipif(
    sys.platform != "linux", reason="the relay ends are found below the fork server"
)
def test_relay_with_a_heartbeat_is_idle(peer_factory, tmp_path):
    srun = tmp_path / "srun"  # a launcher that the local end has to give signs of life
    srun.write_text('#!/bin/sh\nexec "$@"\n')
    srun.chmod(0o755)
    peer = peer_factory(exec=[str(srun), sys.executable])
    assert peer.call(abs, -1) == 1

    def used() -> float:
        below = psutil.Process().children(recursive=True)
        return sum(sum(each.cpu_times()[:2]) for each in below)

    began = used()
    time.sleep(1)  # the time in which it must not be busy
    assert used() - began < 0.5
    assert peer.call(abs, -2) == 2
