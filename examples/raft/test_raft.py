"""Three peers replicate a key-value store by Raft; they elect a leader, which hangs or dies.

Shows: a group of peers; module globals that live on in a peer (`kvstore.store`); `pause`, `resume`,
`kill` and `restart`; waiting for a condition (`eventually`) and for output of a peer
(`stdout.wait_for`).

On a busy machine an election may fail and be repeated at any time. So no test depends on how long
one takes: the tests wait for its result, for at most `SOON` seconds, which is far more than needed.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import kvstore
import pytest

from pytest_peer import Peer, PeerDown, eventually

SOON = 20.0  # seconds

Cluster = dict[str, Peer]  # by address


@pytest.fixture
def addresses() -> Iterator[list[str]]:
    """Three addresses that no other program gets during the test.

    This process binds their ports for all the time and does not listen. With SO_REUSEADDR, which
    PySyncObj sets too, a member can bind and listen too, also after its restart.
    """
    with ExitStack() as held:
        ports = []
        for _ in range(3):
            holder = held.enter_context(socket.socket())
            holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            holder.bind(("", 0))
            ports.append(holder.getsockname()[1])
        yield [f"127.0.0.1:{port}" for port in ports]


@pytest.fixture
def cluster(addresses, peer_factory, tmp_path: Path) -> Cluster:
    peers = peer_factory.many(3, name="member", call_timeout=10)
    peers.map(kvstore.start, addresses, [addresses] * 3, [tmp_path] * 3)
    return dict(zip(addresses, peers, strict=True))


def elected(cluster: Cluster, *, without: str | None = None) -> str:
    """Wait until all members agree on the leader, and return its address.

    :param without: the address of the old leader, which is not asked.
    """

    def agreed() -> str:
        named = {
            peer.call(kvstore.leader) for address, peer in cluster.items() if address != without
        }
        assert len(named) == 1, "they disagree"
        assert named.isdisjoint({None, without}), "no new leader yet"
        return named.pop()

    return eventually(agreed, SOON)


def write(peer: Peer, key: str, value: str) -> None:
    """Write, repeatedly: a write fails when the leader changes meanwhile."""
    eventually(lambda: peer.call(kvstore.put, key, value), SOON)


def wait_for_value(peer: Peer, key: str, value: str) -> None:
    eventually(lambda: peer.call(kvstore.get, key) == value, SOON)


def test_a_write_to_any_member_reaches_all(cluster):
    elected(cluster)
    for address, peer in cluster.items():
        write(peer, f"from {address}", "hello")
        for other in cluster.values():
            wait_for_value(other, f"from {address}", "hello")


def test_a_paused_leader_is_replaced_and_steps_down_when_it_comes_back(cluster):
    old = elected(cluster)
    cluster[old].pause()  # as if its machine hung: connections stay open, without any data

    new = elected(cluster, without=old)
    write(cluster[new], "colour", "blue")

    cluster[old].resume()
    cluster[old].stdout.wait_for("leader -> follower", SOON)
    wait_for_value(cluster[old], "colour", "blue")


def test_a_killed_leader_catches_up_after_its_restart(cluster, tmp_path):
    old = elected(cluster)
    write(cluster[old], "before", "written")
    cluster[old].kill()
    with pytest.raises(PeerDown, match="SIGKILL"):
        cluster[old].call(kvstore.get, "before")

    new = elected(cluster, without=old)
    write(cluster[new], "while it was dead", "written")

    cluster[old].restart()  # the same handle and name, a new process
    cluster[old].call(kvstore.start, old, list(cluster), tmp_path)
    wait_for_value(cluster[old], "while it was dead", "written")
    assert cluster[old].call(kvstore.get, "before") == "written"
