"""Packets in flight are kept, and go on, are turned round or are lost as the test says."""

from __future__ import annotations

import network_calls
import pytest
from network_calls import LONG, ask, cast_and_bind, start_server


def collecting(network):
    a, b = network.many(2)
    cast_and_bind(b, network_calls.collect_datagrams)
    return a, b


def send(a, b, *payloads):
    a.call(network_calls.send_datagrams, b.host, payloads)


def texts(b, last):
    """Return what has arrived when this one has."""
    b.stdout.wait_for(last)
    return b.stdout.text.split()[1:]


@pytest.mark.parametrize("end", ["heal", "block"])
def test_rest_goes_on_in_order_at_the_end(peer_network, end):
    a, b = collecting(peer_network)
    held = peer_network.hold(a, b)
    if end == "heal":
        send(a, b, b"1", b"2")
        held.heal()
    else:
        with held:
            send(a, b, b"1", b"2")
    send(a, b, b"3")
    assert texts(b, "3") == ["1", "2", "3"]
    assert held.hits == 2


def test_released_in_order(peer_network):
    a, b = collecting(peer_network)
    with peer_network.hold(a, b) as held:
        send(a, b, b"1", b"2")
        assert held.release() == 2
        assert texts(b, "2") == ["1", "2"]
        assert held.packets == []


def test_dropped_ones_are_lost_and_the_hold_goes_on(peer_network):
    a, b = collecting(peer_network)
    with peer_network.hold(a, b) as held:
        send(a, b, b"1", b"2")
        assert held.drop() == 2
        send(a, b, b"3")
        assert [each.payload for each in held.packets] == [b"3"]
    assert texts(b, "3") == ["3"]
    assert held.counts["dropped"] == 2


@pytest.mark.parametrize("end", ["release", "heal"])
def test_released_ones_meet_a_partition_made_meanwhile(peer_network, end):
    a, b = collecting(peer_network)
    held = peer_network.hold(a, b)
    send(a, b, b"1")
    with peer_network.partition([a], [b]) as cut:
        getattr(held, end)()
        assert cut.counts["dropped"] == 1
    held.heal()
    send(a, b, b"2")
    assert texts(b, "2") == ["2"]


def test_released_ones_meet_a_later_hold(peer_network):
    a, b = collecting(peer_network)
    first = peer_network.hold(a, b)
    send(a, b, b"1")
    with peer_network.hold(a, b) as second:
        first.heal()
        assert [each.payload for each in second.packets] == [b"1"]
    assert texts(b, "1") == ["1"]


def test_what_a_rule_holds_meets_a_partition_made_meanwhile(peer_network):
    a, b = collecting(peer_network)
    rule = peer_network.rule(lambda packet: packet.payload == b"1", hold=True)
    send(a, b, b"1")
    assert len(rule.packets) == 1
    with peer_network.partition([a], [b]):
        assert rule.release() == 1
    send(a, b, b"2")
    assert texts(b, "2") == ["2"]


def test_other_direction_is_not_held(peer_network):
    a, b = collecting(peer_network)
    with peer_network.hold(b, a, expect_hits=False) as held:
        send(a, b, b"1")
        assert texts(b, "1") == ["1"]
    assert held.hits == 0


def test_hold_that_is_over_has_no_packets(peer_network):
    a, b = peer_network.many(2)
    held = peer_network.hold(a, b, expect_hits=False)
    held.heal()
    held.heal()
    with pytest.raises(Exception, match="this hold is over"):
        held.release()


def test_connection_waits_while_it_is_held(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    with peer_network.hold(a, b) as held:
        answer = a.submit(ask, b.host)
        while not held.packets:
            pass
        assert not answer.done()
        assert held.packets[0].dport == 80
    assert answer.result(LONG) == b.host


def test_teardown_heals(inner):
    inner.write(
        """
from network_sabotage import sabotage

def test_it(peer_network):
    a, b = peer_network.many(2, name="db")
    peer_network.hold(a, b, expect_hits=False)
    sabotage(peer_network, "heal_nothing")  # so that the attempt is seen
"""
    )
    result = inner.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.re_match_lines([r"E .*FaultNotEffective: hold from db-0 to db-1 is healed, but"])
