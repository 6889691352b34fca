"""Descendants of a peer neither outlive it nor hide its death."""

from __future__ import annotations

import sys

import pytest
from deaths import MOMENTS, WAYS
from occupied_peers import OCCUPATIONS
from process_ends import Watched
from timeouts import LONG

import pytest_peer

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are watched by their descriptors"
)

METHODS = ["forkserver", "spawn"]
STARTED = {
    name: occupation.prepare
    for name, occupation in OCCUPATIONS.items()
    if occupation.prepare is not None
    and not occupation.paused
    and occupation.busy is None
    and name.startswith(("subprocess", "multi", "fork", "setsid", "daemon"))
}
#: A death that the kernel brings, one that the peer brings itself, and one that the origin brings.
DEATHS = ["SIGKILL", "os._exit-3", "closes_descriptors"]
assert set(DEATHS) <= set(WAYS)


#: Left out: a child that C code has forked holds the link, too, so the peer's close is not seen.
UNSEEN = {("forked_child_with_all_descriptors", "closes_descriptors")}
CELLS = [(started, way) for started in STARTED for way in DEATHS if (started, way) not in UNSEEN]


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(("started", "way"), CELLS)
def test_descendants_of_a_dead_peer(peer_factory, started, way, method, record_property):
    peer = peer_factory(start_method=method, peer_down="continue")
    with Watched(peer.call(STARTED[started])) as watched:
        for answer in MOMENTS["in_a_call"](peer, way):
            with pytest.raises(pytest_peer.PeerDown):
                answer.result(LONG)
        peer.wait_down(LONG)
        peer.stop()
        watched.wait(0)
        assert watched.left(watched.words) == []
