"""Jepsen's grudges, over all hosts at once; who hears whom is seen by their datagrams."""

from __future__ import annotations

import network_calls
import pytest


@pytest.fixture
def hears(peer_network):
    """A function that returns whom each peer hears besides itself, by places in the group."""

    def hears(peers):
        for peer in peers:
            peer.cast(network_calls.collect_datagrams)
            peer.stdout.wait_for("bound")
        for sender in peers:
            for receiver in peers - sender:
                text = f"<{peers.index(sender)}>".encode()
                sender.call(network_calls.send_datagram, receiver.host, text)
        peer_network.heal()
        for receiver in peers:  # behind what the others have sent, if that came
            for sender in peers - receiver:
                sender.call(network_calls.send_datagram, receiver.host, b"end")
            receiver.stdout.wait_for(rf"(?s)(end.*){{{len(peers) - 1}}}")
        return [
            {place for place in range(len(peers)) if f"<{place}>" in peer.stdout.text}
            for peer in peers
        ]

    return hears


def test_halves_do_not_hear_each_other(peer_network, hears):
    peers = peer_network.many(3)
    peer_network.halves()
    assert sorted(map(len, hears(peers))) == [0, 1, 1]


def test_ways_of_a_grudge_can_be_read(peer_network, hears):
    peers = peer_network.many(3)
    ways = peer_network.halves().ways
    hosts = [peer.host for peer in peers]
    assert hears(peers) == [
        {place for place, host in enumerate(hosts) if host != own and (host, own) not in ways}
        for own in hosts
    ]


def test_isolated_peer_hears_nobody(peer_network, hears):
    peers = peer_network.many(3)
    peer_network.isolate(peers[1])
    assert hears(peers) == [{2}, set(), {0}]


def test_bridge_is_the_only_one_to_hear_all(peer_network, hears):
    peers = peer_network.many(3)
    peer_network.bridge()
    assert sorted(map(len, hears(peers))) == [1, 1, 2]


def test_ring_of_five_hears_two_neighbours_each(peer_network, hears):
    peers = peer_network.many(5)
    peer_network.majorities_ring()
    heard = hears(peers)
    assert [len(each) for each in heard] == [2] * 5
    assert len({frozenset({place, *each}) for place, each in enumerate(heard)}) == 5


def test_grudges_name_their_hosts(peer_network):
    a, b, c = peer_network.many(3, name="db")
    with peer_network.isolate(b, expect_hits=False) as fault:
        assert str(fault) == "isolate: db-1 | db-0, db-2"
    assert a.host == "db-0" and c.host == "db-2"


def test_one_peer_cannot_be_parted(peer_network):
    peer = peer_network()
    for grudge in (peer_network.halves, peer_network.bridge, peer_network.majorities_ring):
        with pytest.raises(ValueError, match="at least"):
            grudge()
    with pytest.raises(ValueError, match="isolate: expected at least 2 hosts"):
        peer_network.isolate(peer)


def test_test_itself_is_isolated_from_all_peers(peer_network):
    a = peer_network()
    origin = peer_network.origin
    with peer_network.isolate(origin, expect_hits=False) as fault:
        assert fault.ways == {(origin.host, a.host), (a.host, origin.host)}
    b = peer_network()
    with peer_network.isolate(origin, expect_hits=False) as fault:
        assert fault.ways == {
            way for each in (a, b) for way in ((origin.host, each.host), (each.host, origin.host))
        }
