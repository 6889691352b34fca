"""Two hosts watch each other by heartbeats; then one is not heard any more, though it hears.

Shows: a `cut` of one direction; functions that run during a block (`running`); that something
comes about (`eventually`), and that something does not (`still`).
"""

from __future__ import annotations

from collections.abc import Iterator

import heartbeats
import pytest

from pytest_peer import PeerGroup, eventually, still

SOON = heartbeats.LIMIT + 10  # seconds, for a busy machine


@pytest.fixture
def hosts(peer_network) -> Iterator[PeerGroup]:
    hosts = peer_network.many(2)
    a, b = hosts
    with a.running(heartbeats.watch, b.host), b.running(heartbeats.watch, a.host):
        eventually(lambda: all(hosts.call(heartbeats.is_up)), SOON)
        yield hosts


def test_both_notice_that_one_is_not_heard(peer_network, hosts):
    with peer_network.cut(hosts[1], hosts[0]):
        eventually(lambda: not any(hosts.call(heartbeats.is_up)), SOON)
    eventually(lambda: all(hosts.call(heartbeats.is_up)), SOON)


def test_one_who_only_listens_does_not_notice(peer_network, hosts):
    a, b = hosts
    with peer_network.cut(b, a):
        eventually(lambda: not a.call(heartbeats.is_up_by_hearsay), SOON)
        still(lambda: b.call(heartbeats.is_up_by_hearsay), for_=heartbeats.LIMIT / 2)
