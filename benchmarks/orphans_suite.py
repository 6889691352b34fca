"""The test suite that orphans.py kills."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import threading
import time
from pathlib import Path

COUNT = int(os.environ.get("ORPHANS_COUNT", "0"))
OCCUPATION = os.environ.get("ORPHANS_OCCUPATION", "")


def start_child() -> int:
    return subprocess.Popen(["sleep", "600"], stdout=subprocess.DEVNULL).pid


def loop() -> None:
    while True:
        pass


def ignore() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    time.sleep(600)


def hold() -> None:
    ctypes.PyDLL(None).sleep(600)


def serve(channel: object) -> None:
    """Occupy a gateway."""
    channel.send((os.getpid(), start_child()))  # type: ignore[attr-defined]
    globals()[channel.receive()]()  # type: ignore[attr-defined]


def tell_and_wait(pids: list[int]) -> None:
    """Write the process ids of all peers, then of their children."""
    path = Path(os.environ["ORPHANS_PIDS"])
    path.with_suffix(".part").write_text(" ".join(map(str, pids)))
    path.with_suffix(".part").rename(path)
    threading.Event().wait()


def test_peers(peer_factory):
    group = peer_factory.many(COUNT, wait_boot=60, start_method=os.environ["ORPHANS_SYSTEM"])
    children = group.call(start_child)
    group.cast(globals()[OCCUPATION])
    tell_and_wait([*(peer.pid for peer in group), *children])


def test_execnet():
    import execnet

    import orphans_suite

    channels = [execnet.makegateway().remote_exec(orphans_suite) for _ in range(COUNT)]
    pids, children = zip(*(channel.receive() for channel in channels), strict=True)
    for channel in channels:
        channel.send(OCCUPATION)
    tell_and_wait([*pids, *children])


if __name__ == "__channelexec__":
    serve(channel)  # type: ignore[name-defined] # noqa: F821 - execnet gives it
