"""A program that has a peer for every occupation, and dies: ``origin_program.py <start method>
<way to die> [forks]``."""

from __future__ import annotations

import ctypes
import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import occupied_peers
from gates import pass_gate

import pytest_peer

#: Of peers that are asked to end; those that would rather not are killed then.
HALT = ("halt", 0.3)


def fail() -> None:
    raise RuntimeError("nobody catches this")


WAYS = {
    "return": lambda: None,
    "exception": fail,
    "os._exit": lambda: os._exit(3),
    "segfault": lambda: ctypes.string_at(0),
    "SIGTERM": lambda: os.kill(os.getpid(), signal.SIGTERM),
    "SIGKILL": lambda: os.kill(os.getpid(), signal.SIGKILL),
}


def fork() -> list[int]:
    """Start processes in every way that there is; they live on and do not concern the peers."""
    forked = os.fork()
    if forked == 0:
        time.sleep(600)
        os._exit(0)
    pids = [forked, subprocess.Popen(["sleep", "600"], close_fds=False).pid]
    for method in ("fork", "forkserver", "spawn"):
        process = multiprocessing.get_context(method).Process(target=time.sleep, args=(600,))
        process.start()
        assert process.pid is not None
        pids.append(process.pid)
    return pids


def tell_and_wait(
    start: Callable[..., pytest_peer.Peer], start_method: str, *, forks: bool = False
) -> None:
    """Start the peers, write their process ids to ``told``, and wait at ``gate`` for the end."""
    place = Path(os.environ["PEER_TESTS_PLACE"])
    (place / "site").mkdir()
    options: dict[str, Any] = {"shutdown": HALT, "peer_down": "continue"}
    peers = occupied_peers.occupied(start, start_method, place / "site", **options)
    told = {
        "origin": os.getpid(),
        "peers": {name: pids for name, (_, pids) in peers.items()},
        "forks": fork() if forks else [],
    }
    (place / "told").write_text(json.dumps(told))
    _kept.append(peers)
    pass_gate(str(place / "gate"))
    # It is just asked for when the origin dies.
    _kept.append(start(wait_boot=False, start_method=start_method, **options))


_kept: list[Any] = []

if __name__ == "__main__":
    _, method, way, *more = sys.argv
    tell_and_wait(pytest_peer.start, method, forks=more == ["forks"])
    WAYS[way]()
