"""A nemesis that does its deeds again does those with rules and aborts too."""

from __future__ import annotations

import socket

import network_calls
from network_calls import LONG, send_datagrams

from pytest_peer import eventually

#: Seconds that a deed lasts, also as it is done again.
PERIOD = 0.5


def collecting_pair(peer_network):
    a, b = peer_network.many(2, name="db")
    b.cast(network_calls.collect_datagrams)
    b.stdout.wait_for("bound")
    return a, b


def test_rule_again_touches_as_many_packets(peer_network):
    a, b = collecting_pair(peer_network)
    rule = peer_network.rule(lambda p: b"vote" in p.payload, drop=True).first(1)
    a.call(send_datagrams, b.host, [b"vote1", b"vote2"])
    b.stdout.wait_for("vote2")
    rule.heal()
    again = rule.again()
    a.call(send_datagrams, b.host, [b"vote3", b"vote4"])
    b.stdout.wait_for("vote4")
    assert b.stdout.text.split()[1:] == ["vote2", "vote4"]
    assert (str(again), again.hits) == (str(rule), 1)


def test_nemesis_replays_a_rule(peer_network):
    a, b = collecting_pair(peer_network)

    def vote():
        a.call(send_datagrams, b.host, [b"vote"])

    def deed():
        return peer_network.rule(lambda p: b"vote" in p.payload, drop=True)

    with peer_network.nemesis([deed], period=PERIOD) as nemesis:
        eventually(lambda: vote() or nemesis.hits, timeout=LONG)
    with nemesis.replay() as replayed:
        pass
    assert replayed.history == nemesis.history


def accept_and_see_the_end():
    with socket.create_server(("", 80)) as server:
        print("listening", flush=True)
        while True:
            client, _ = server.accept()
            with client:
                print("accepted", flush=True)
                try:
                    client.recv(1)
                except ConnectionResetError:
                    print("reset", flush=True)


_kept = []


def connect(host):
    _kept.append(socket.create_connection((host, 80), LONG))


def test_nemesis_replays_an_abort(peer_network):
    a, b = peer_network.many(2, name="db")
    b.cast(accept_and_see_the_end)
    b.stdout.expect("listening")

    def deed():
        return peer_network.abort(a, b)

    def connected():
        a.call(connect, b.host)
        b.stdout.expect("accepted")

    connected()
    with peer_network.nemesis([deed], period=PERIOD) as nemesis:
        b.stdout.expect("reset")
        eventually(lambda: nemesis.history, timeout=LONG)
    connected()
    with nemesis.replay() as replayed:
        b.stdout.expect("reset")
    assert replayed.history == nemesis.history
    assert replayed.history[0] == "abort between db-0 and db-1"
    assert replayed.hits == 1
