"""A program with peers over TCP that do what may keep them from ending; it is killed."""

from __future__ import annotations

import json
import os
import sys

import occupations
from timeouts import LONGER

import pytest_peer

BUSY = {
    "idle": None,
    "looping": occupations.loop,
    "in_C_with_the_GIL": occupations.sleep_in_c,
    "stopped": None,
}


def main(options: dict[str, object]) -> None:
    peers = {
        name: pytest_peer.start(wait_boot=False, peer_down="continue", **options) for name in BUSY
    }
    told = {}
    for name, peer in peers.items():
        peer.wait_boot(LONGER)
        told[name] = [peer.pid, *peer.call(occupations.start_subprocess)]
        busy = BUSY[name]
        if busy is not None:
            peer.cast(busy)
            peer.stdout.wait_for("waiting", LONGER)
    peers["stopped"].pause()
    print(json.dumps(told), flush=True)
    sys.stdin.read()  # until it is killed
    os._exit(0)


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
