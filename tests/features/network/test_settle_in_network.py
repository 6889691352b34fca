"""Peers are not at rest while a packet between them goes on by itself; one that is held waits."""

from __future__ import annotations

import socket
import threading

import pytest
from network_calls import LONG, ask, send_datagram, start_server

from pytest_peer import NotSettled


def take_datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", 53))
        print("bound", flush=True)
        return sock.recv(100)


def pair_with_taker(peer_network):
    a, b = peer_network.many(2)
    taken = b.submit(take_datagram)
    b.stdout.wait_for("bound")
    return a, b, taken


def test_delayed_packet_has_arrived(peer_network):
    a, b, taken = pair_with_taker(peer_network)
    peer_network.link(a, b).set(delay=0.3)
    a.call(send_datagram, b.host, b"text")
    peer_network.settle(LONG)
    assert taken.done()
    assert taken.result() == b"text"


def test_proof_of_a_delay_is_not_waited_for(peer_network):
    a, b = peer_network.many(2)
    peer_network.link(a, b).set(delay=300, expect_hits=False)
    peer_network.settle(LONG)


def test_delayed_packet_has_been_answered(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    for link in (peer_network.link(a, b), peer_network.link(b, a)):
        link.set(delay=0.1)
    answer = a.submit(ask, b.address)
    peer_network.settle(LONG)
    assert answer.done()


@pytest.mark.parametrize("who", ["peer", "group"])
def test_peers_and_groups_wait_for_packets_too(peer_network, who):
    a, b = group = peer_network.many(2)
    taken = b.submit(take_datagram)
    b.stdout.wait_for("bound")
    peer_network.link(a, b).set(delay=0.3)
    a.call(send_datagram, b.host, b"text")
    (b if who == "peer" else group).settle(LONG)
    assert taken.done()


def test_packet_that_a_rule_is_asked_about_is_on_its_way(peer_network):
    a, b, taken = pair_with_taker(peer_network)
    begun, decides = threading.Event(), threading.Event()

    def predicate(packet):
        begun.set()
        decides.wait(LONG)
        return packet.payload == b"text"

    peer_network.rule(predicate, duplicate=True)
    a.call(send_datagram, b.host, b"text")
    assert begun.wait(LONG)
    with pytest.raises(NotSettled, match=r"way in peer_network: the predicate .* predicate \(test"):
        peer_network.settle(0.2)
    decides.set()
    peer_network.settle(LONG)
    assert taken.done()


def test_held_packet_is_at_rest(peer_network):
    a, b, taken = pair_with_taker(peer_network)
    with peer_network.hold(a, b) as held:
        a.call(send_datagram, b.host, b"text")
        peer_network.settle(LONG)
        assert len(held.packets) == 1
        assert not taken.done()
    peer_network.settle(LONG)
    assert taken.done()
