"""Whatever ends a peer, and whenever: pending and later calls raise the reason, and none hangs."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import time

import pytest
from deaths import LEFT_OUT, MOMENTS, WAYS
from paths import SUPPORT
from processes import assert_gone
from timeouts import LONG

import pytest_peer

METHODS = ["forkserver", "spawn"] if sys.platform == "linux" else ["spawn"]


def cells():
    return [
        pytest.param(way, moment, method, id=f"{way}-{moment}-continue-{method}")
        for way in WAYS
        for moment in MOMENTS
        for method in METHODS
        if (way, moment) not in LEFT_OUT
    ]


def assert_told(peer: pytest_peer.Peer, answers, way: str, kind: str) -> None:
    """Everybody learns why it is down."""
    reason = peer.wait_down(LONG)
    assert (reason.kind, peer.state) == (kind, "down")
    if WAYS[way].kind != "link lost":  # then the origin kills it, if it does not notice
        assert (reason.exit_status, reason.signal) == (WAYS[way].exit_status, WAYS[way].signal)
    for ask in [*(answer.result for answer in answers), lambda _: peer.call(os.getpid)]:
        with pytest.raises(pytest_peer.PeerDown) as caught:
            ask(LONG)
        assert caught.value.reason == reason


@pytest.mark.parametrize(("way", "moment", "method"), cells())
def test_peer_dies(peer_factory, way, moment, method, record_property):
    peer = peer_factory(start_method=method, peer_down="continue")
    answers = MOMENTS[moment](peer, way)
    began = time.monotonic()
    assert_told(peer, answers, way, "stopped" if moment == "stopping" else WAYS[way].kind)
    record_property("seconds", time.monotonic() - began)
    assert peer.pid is not None
    assert_gone([peer.pid], within=0)


#: Imported by an interpreter when it starts.
DIES_IN_BOOT = "import deaths\ndeaths.die({way!r})\n"


# A forked peer runs no code of the test during its boot; see below. A spawned one that executes a
# program which stays may still become a peer: `wait_boot` is its limit.
@pytest.mark.parametrize("way", [way for way in WAYS if way != "executes_sleep"])
def test_peer_dies_booting(peer_factory, tmp_path, way):
    (tmp_path / "sitecustomize.py").write_text(DIES_IN_BOOT.format(way=way))
    path = os.pathsep.join(map(str, [tmp_path, SUPPORT]))
    peer = peer_factory(env={"PYTHONPATH": path}, wait_boot=False, peer_down="continue")
    answer = peer.submit(os.getpid)
    with pytest.raises(pytest_peer.BootError):
        peer.wait_boot(LONG)
    assert_told(peer, [answer], way, "boot failed")


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("after", [0, 0.0005, 0.001, 0.002, 0.004, 0.01])
def test_peer_dies_at_any_moment_of_its_boot(peer_factory, method, after):
    """Whether it has booted then or not."""
    peer = peer_factory(start_method=method, wait_boot=False)
    answer = peer.submit(os.getpid)
    time.sleep(after)
    peer.kill(signal.SIGTERM)
    with contextlib.suppress(pytest_peer.PeerDown):
        assert answer.result(LONG) == peer.pid
    assert peer.wait_down(LONG).signal in (signal.SIGTERM, None)
    with pytest.raises(pytest_peer.PeerDown):
        peer.call(os.getpid)
