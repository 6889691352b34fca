"""A call to a peer that another thread restarts without success."""

from __future__ import annotations

import os
import subprocess
import sys

from timeouts import LONG

PROGRAM = """
import operator, os, sys, threading
import pytest_peer, pytest_peer.launch.forkserver.registry
gate = sys.argv[1]
peer = pytest_peer.start(start_method="forkserver")
pytest_peer.launch.forkserver.preload.modules[:] = ["fails"]
sys.path.insert(0, os.path.dirname(gate))

def restart():
    try:
        peer.restart()
    except pytest_peer.BootError:
        pass

thread = threading.Thread(target=restart, daemon=True)
thread.start()
try:
    with open(gate, "w"):  # when the fork server waits at it
        peer.submit(operator.add, 1, 2).result(10)
except pytest_peer.PeerDown:
    print("down")
"""


def test_call_to_a_peer_whose_restart_fails_raises(tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "fails.py").write_text(f"open({str(gate)!r}).read()\nraise ImportError")
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(gate)],
        stdout=subprocess.PIPE,
        timeout=LONG,
        env={**os.environ, "TMPDIR": str(tmp_path)},
        check=True,
        text=True,
    )
    assert done.stdout == "down\n"
