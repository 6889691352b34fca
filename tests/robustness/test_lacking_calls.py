"""Peers work where the system, or its Python, lacks what Linux has."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import pytest
from origin_programs import said_by

import pytest_peer

#: What Python does not have on macOS; it has had `os.waitid` there since 3.13.
LINUX_ONLY = """
import fcntl, os, resource, select, signal, socket

NAMES = {
    fcntl: "F_GETPIPE_SZ F_GETSIG F_SETPIPE_SZ F_SETSIG",
    os: "P_ALL P_PGID P_PID P_PIDFD eventfd memfd_create pidfd_open pipe2 sched_getaffinity "
    "sched_getscheduler sched_setaffinity waitid waitid_result",
    resource: "prlimit",
    select: "epoll",
    signal: "SIGRTMAX SIGRTMIN pidfd_send_signal sigtimedwait sigwaitinfo",
    socket: "MSG_NOSIGNAL SOCK_CLOEXEC SOCK_NONBLOCK SO_PEERCRED",
}
for module, names in NAMES.items():
    for name in names.split():
        vars(module).pop(name, None)
"""


@pytest.fixture
def lacking(tmp_path: Path) -> list[str]:
    """The command before an interpreter that lacks them."""
    place = tmp_path / "lacking"
    place.mkdir()
    (place / "sitecustomize.py").write_text(LINUX_ONLY)
    return ["env", f"PYTHONPATH={place}"]


def test_origin_knows_the_ends_of_its_peers(tmp_path: Path, lacking: list[str]) -> None:
    said = said_by(
        tmp_path,
        """
        peers = [start(start_method=method) for method in (None, "spawn", None)]
        print([peer.call(lambda: hasattr(os, "waitid")) for peer in peers])
        print(told(peers[0].call, os._exit, 3).partition("(")[0], peers[0].down_reason)
        peers[1].stop()
        peers[2].kill()
        print(peers[1].down_reason, "and", peers[2].down_reason)
        """,
        launcher=lacking,
    )
    assert said == [
        "[False, False, False]",
        "PeerDown exited with status 3",
        "stopped (exited with status 0) and killed by SIGKILL",
    ]


@pytest.fixture
def far(peer_factory: Any, lacking: list[str]) -> pytest_peer.Peer:
    command = pytest_peer.over_stdio([*lacking, sys.executable])
    peer: pytest_peer.Peer = peer_factory(exec=command, peer_down="continue")
    return peer


def test_status_of_a_far_peer_arrives(far: pytest_peer.Peer) -> None:
    with pytest.raises(pytest_peer.PeerDown) as caught:
        far.call(os._exit, 3)
    assert caught.value.reason.exit_status == 3


def test_far_peer_is_paused_and_stopped(far: pytest_peer.Peer) -> None:
    far.pause()
    far.resume()
    assert not far.call(lambda: hasattr(os, "waitid"))
    far.stop()
    assert far.down_reason.exit_status == 0
