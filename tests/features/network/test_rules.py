"""A function of the test decides about packets, one after the other."""

from __future__ import annotations

import threading

import network_calls
import pytest
from network_calls import LONG, ask, start_server


def collect(peer):
    peer.cast(network_calls.collect_datagrams)
    peer.stdout.wait_for("bound")


def send(peer, target, *texts):
    for text in texts:
        peer.call(network_calls.send_datagram, target.host, text)


def arrived(peer):
    return peer.stdout.text.split()[1:]


def test_first_packets_are_dropped(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    rule = peer_network.rule(lambda p: p.udp and b"vote" in p.payload, drop=True).first(2)
    send(a, b, b"vote1", b"other", b"vote2", b"vote3")
    b.stdout.wait_for("vote3")
    assert arrived(b) == ["other", "vote3"]
    assert rule.hits == 2


def test_limit_that_is_set_during_a_predicate_holds(peer_network):
    a, b = peer_network.many(2)
    collect(b)

    def limits(packet):
        if packet.payload == b"vote2":
            rule.first(1)
        return b"vote" in packet.payload

    rule = peer_network.rule(limits, drop=True)
    send(a, b, b"vote1", b"vote2", b"end")
    b.stdout.wait_for("end")
    assert arrived(b) == ["vote2", "end"]
    assert rule.hits == 1


def test_predicate_sees_hosts_ports_and_payload(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    seen = []

    def note(packet):
        seen.append((packet.src, packet.dst, packet.dport, packet.tcp, packet.udp, packet.payload))
        return False

    with peer_network.rule(note, drop=True, expect_hits=False) as rule:
        send(a, b, b"text")
        b.stdout.wait_for("text")
        assert rule.hits == 0
    assert seen == [(a.host, b.host, 53, False, True, b"text")]


def test_predicates_run_on_one_thread(peer_network):
    a, b, c = peer_network.many(3)
    collect(c)
    threads = set()
    for _ in range(2):
        peer_network.rule(
            lambda _: threads.add(threading.get_ident()), drop=True, expect_hits=False
        )
    send(a, c, b"one")
    send(b, c, b"two")
    c.stdout.wait_for("two")
    assert len(threads) == 1
    assert threads != {threading.get_ident()}


def test_order_of_packets_is_kept(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    texts = [f"{number:03}" for number in range(200)]
    with peer_network.rule(lambda p: p.payload == b"100", drop=True):
        a.call(network_calls.send_datagrams, b.host, [text.encode() for text in texts])
    send(a, b, b"end")
    b.stdout.wait_for("end")
    assert arrived(b) == [*texts[:100], *texts[101:], "end"]


def test_delayed_packet_is_overtaken(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    peer_network.rule(lambda p: p.payload == b"late", delay=0.2)
    send(a, b, b"late", b"early")
    b.stdout.wait_for("late")
    assert arrived(b) == ["early", "late"]


def test_duplicated_packet_comes_twice(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    peer_network.rule(lambda p: p.payload == b"double", duplicate=True)
    send(a, b, b"double", b"end")
    b.stdout.wait_for("end")
    assert arrived(b) == ["double", "double", "end"]


def test_corrupted_datagram_does_not_arrive(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    rule = peer_network.rule(lambda p: p.payload == b"broken", corrupt=True)
    send(a, b, b"broken", b"end")
    b.stdout.wait_for("end")
    assert arrived(b) == ["end"]
    assert rule.counts["corrupted"] == 1


def test_held_packets_of_a_rule_are_turned_round(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    with peer_network.rule(lambda p: p.payload.isdigit(), hold=True) as held:
        send(a, b, b"1", b"2", b"end")
        assert [each.payload for each in held.packets] == [b"1", b"2"]
        b.stdout.wait_for("end")
        assert held.release(reverse=True) == 2
        send(a, b, b"3")
        assert held.drop() == 1
        send(a, b, b"4")
    b.stdout.wait_for("4")
    assert arrived(b) == ["end", "2", "1", "4"]


def test_rule_that_holds_nothing_has_no_packets(peer_network):
    rule = peer_network.rule(lambda _: True, drop=True, expect_hits=False)
    with pytest.raises(RuntimeError, match="no hold=True"):
        rule.release()


def test_rules_add_up(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    peer_network.rule(lambda p: p.payload == b"x", duplicate=True)
    inner = peer_network.rule(lambda p: p.payload == b"x", drop=True)
    send(a, b, b"x", b"end1")
    inner.heal()
    send(a, b, b"x", b"end2")
    b.stdout.wait_for("end2")
    assert arrived(b) == ["end1", "x", "x", "end2"]
    assert inner.hits == 2


def test_rule_meets_what_comes_through_other_faults(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    rule = peer_network.rule(lambda p: p.udp, drop=True, expect_hits=False)
    with peer_network.cut(a, b):
        send(a, b, b"lost")
        assert rule.hits == 0
    send(a, b, b"lost too")
    assert rule.hits == 1


def test_tcp_gets_through_a_rule(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    rule = peer_network.rule(lambda p: p.tcp and p.src == a.host and p.dport == 80, drop=True)
    rule.first(1)
    assert a.call(ask, b.host) == b.host  # the second SYN comes after a second
    assert rule.hits == 1


def test_heal_ends_a_rule(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    with peer_network.rule(lambda p: p.udp, drop=True) as rule:
        send(a, b, b"lost")
    send(a, b, b"after")
    b.stdout.wait_for("after")
    rule.heal()
    assert arrived(b) == ["after"]
    assert rule.hits == 1


def test_predicate_that_raises_fails_the_test(inner):
    inner.write(
        """
import network_calls

def is_vote(packet):
    return packet.votes

def test_it(peer_network):
    a, b = peer_network.many(2)
    peer_network.rule(is_vote, drop=True, expect_hits=False)
    b.cast(network_calls.collect_datagrams)
    b.stdout.wait_for("bound")
    a.call(network_calls.send_datagram, b.host, b"passes")
    b.stdout.wait_for("passes")
"""
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E*AttributeError: 'Packet'*votes*", "E*predicate*is_vote (test_*.py:*): drop*"]
    )


def test_rule_without_a_hit_fails_the_test(inner):
    inner.write(
        """
def test_it(peer_network):
    peer_network.many(2)
    peer_network.rule(lambda p: p.udp, drop=True)
"""
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*FaultNotEffective: rule <lambda>*: drop touched no packet*"])


@pytest.mark.parametrize(
    ("options", "error"),
    [
        ({}, ValueError),
        ({"drop": True, "delay": 0.1}, ValueError),
        ({"hold": True, "duplicate": True}, ValueError),
        ({"delay": -1}, ValueError),
        ({"delay": "1"}, TypeError),
        ({"drop": 1}, TypeError),
    ],
)
def test_rule_with_wrong_deeds_is_refused(peer_network, options, error):
    with pytest.raises(error):
        peer_network.rule(lambda _: True, **options)


def test_predicate_that_does_not_return_is_named_by_who_waits(peer_network, monkeypatch):
    a, b = peer_network.many(2)
    begun, go_on = threading.Event(), threading.Event()

    def hangs(packet):
        begun.set()
        return go_on.wait(LONG)

    peer_network.rule(hangs, delay=0.01)
    held = peer_network.rule(lambda _: True, hold=True, expect_hits=False)
    send(a, b, b"waits")
    assert begun.wait(LONG)
    named = r"the predicate of the rule hangs \(test_rules\.py:\d+\): delay 0\.01 has not returned"
    with monkeypatch.context() as patch:
        patch.setattr("pytest_peer.network.faults.rules._HEALED_SECONDS", 0.1)
        with pytest.raises(TimeoutError, match=named):
            _ = held.packets
    with pytest.raises(TimeoutError, match=f"no answer from port 80 of .*; {named}"):
        peer_network.connect(b, 80, timeout=0.1)
    go_on.set()
    assert held.packets[0].payload == b"waits"


def test_slow_predicate_does_not_block_the_switch(peer_network):
    a, b = peer_network.many(2)
    collect(b)
    go_on = threading.Event()
    rule = peer_network.rule(lambda _: go_on.wait(LONG), duplicate=True)
    send(a, b, b"waits")
    with peer_network.cut(b, a, expect_hits=False):  # its canary is not asked about
        pass
    go_on.set()
    b.stdout.wait_for(r"(?s)waits.*waits")
    assert rule.hits == 1
