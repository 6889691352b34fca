"""A program: an origin with a busy peer, until it is killed."""

from __future__ import annotations

import json
import signal
import sys

from test_far_deaths import become

import pytest_peer

if __name__ == "__main__":
    options, occupation = json.loads(sys.argv[1]), sys.argv[2]
    peer = pytest_peer.start(**options, peer_down="continue", wait_boot=40)
    peer.cast(become, occupation)
    if occupation not in ("idle", "stopped"):
        peer.stdout.wait_for("waiting", 20)
    print("occupied", flush=True)
    signal.pause()
