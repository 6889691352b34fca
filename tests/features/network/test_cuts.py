"""Nothing passes where the network is cut, and everything where it is healed."""

from __future__ import annotations

import socket

import network_calls
import pytest
from network_calls import LONG, ask, start_server

from pytest_peer import eventually


def test_hosts_reach_each_other_by_name(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    assert a.call(ask, b.host) == b.host
    assert a.call(ask, b.name) == b.host


def test_nothing_passes_a_partition(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    with peer_network.partition([a], [b]) as cut:
        failed = a.submit(ask, b.host, 80, 0.2)
        assert isinstance(failed.exception(LONG), TimeoutError)
        assert cut.hits
    assert a.call(ask, b.host) == b.host


def test_cut_is_one_way(peer_network):
    a, b = peer_network.many(2)
    for peer in (a, b):
        peer.cast(network_calls.collect_datagrams)
        peer.stdout.wait_for("bound")
    with peer_network.cut(a, b):
        a.call(network_calls.send_datagram, b.host, b"lost")
        b.call(network_calls.send_datagram, a.host, b"from b")
        a.stdout.wait_for("from b")
    a.call(network_calls.send_datagram, b.host, b"after")
    b.stdout.wait_for("after")
    assert "lost" not in b.stdout.text


def test_peer_and_itself_have_no_way(peer_network):
    a = peer_network()
    with pytest.raises(ValueError, match="no way from a host to itself"):
        peer_network.cut(a, a)


def test_peer_of_another_factory_is_refused(peer_network, peer):
    a = peer_network()
    with pytest.raises(ValueError, match="no host of this network"):
        peer_network.cut(a, peer)


def test_held_packets_can_be_seen_and_turned_round(peer_network):
    a, b = peer_network.many(2)
    b.cast(network_calls.collect_datagrams)
    b.stdout.wait_for("bound")
    with peer_network.hold(a, b) as held:
        for text in (b"one", b"two", b"three"):
            a.call(network_calls.send_datagram, b.host, text)
        assert [each.payload for each in held.packets] == [b"one", b"two", b"three"]
        assert held.release(reverse=True) == 3
        b.stdout.wait_for(r"(?s)three.*two.*one")


def test_delay_of_a_link_is_one_way(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    peer_network.link(a, b).set(delay=0.1)
    took = a.call(network_calls.seconds_to_connect, b.host)
    assert took >= 0.1  # the SYN; its answer comes at once


def test_fault_that_touched_nothing_fails_the_test(inner):
    inner.write(
        """
def test_it(peer_network):
    a, b = peer_network.many(2, name="db")
    peer_network.cut(a, b)
"""
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "E*FaultNotEffective: cut from db-0 to db-1 touched no packet*expect_hits=False in test_inner.py:[0-9]*"
        ]
    )
    result.stdout.no_fnmatch_line("*runtest.py*")  # our own lines say nothing to who wrote the test


def test_all_faults_that_touched_nothing_are_named(inner):
    inner.write(
        """
def test_it(peer_network):
    a, b = peer_network.many(2, name="db")
    peer_network.cut(a, b).heal()
    peer_network.cut(b, a, expect_hits=False)
    with peer_network.nemesis([peer_network.halves], period=60, seed=7):
        peer_network.link(a, b).set(loss=1)
"""
    )
    inner.run().stdout.fnmatch_lines(
        [
            "E*FaultNotEffective: cut from db-0 to db-1 touched no packet*in test_inner.py:[0-9]*",
            "*link from db-0 to db-1: loss 1 touched no packet*in test_inner.py:[0-9]*",
            "*nemesis with seed 7*touched no packet and no peer*",
        ],
        consecutive=True,
    )


def test_error_that_a_kernel_answers_is_a_hit(peer_network):
    a, b = peer_network.many(2)
    with peer_network.cut(b, a) as cut:
        a.call(network_calls.send_datagram, b.host, b"to a port that is closed")
        eventually(lambda: cut.hits == 1, LONG)


def test_control_link_is_outside(peer_network):
    a, b = peer_network.many(2)
    with peer_network.partition([a], [b], expect_hits=False):
        assert a.call(socket.gethostname) == a.host
