"""What one has set of a link, and heals, leaves what others have set of it."""

from __future__ import annotations

import threading

import network_calls
import pytest
from network_calls import LONG, cast_and_bind
from network_sabotage import sabotage

from pytest_peer import FaultNotEffective


def echoing(network):
    """Return a host that sends, one that echoes, and the link to that one."""
    a, b = network.many(2, name="db")
    cast_and_bind(b, network_calls.echo)
    return a, b, network.link(a, b)


def least(a, b):
    return min(a.call(network_calls.round_trips, b.host, 1))


def test_nemesis_leaves_what_the_test_has_set(peer_network):
    a, b, link = echoing(peer_network)
    link.set(delay=0.1)
    begun = threading.Event()

    def deed():
        made = link.set(loss=1, delay=30)
        begun.set()
        return made

    with peer_network.nemesis([deed], period=LONG) as nemesis:
        assert begun.wait(LONG)
        a.call(network_calls.send_datagram, b.host, b"lost", 7)
        while not nemesis.hits:
            pass
    assert nemesis.history == ["link from db-0 to db-1: delay 30, loss 1"]
    assert 0.1 <= least(a, b) < 30


def test_test_leaves_what_a_nemesis_has_set(peer_network):
    a, b, link = echoing(peer_network)
    begun = threading.Event()

    def deed():
        made = link.set(delay=0.1)
        begun.set()
        return made

    with peer_network.nemesis([deed], period=LONG):
        assert begun.wait(LONG)
        link.set(loss=1, expect_hits=False).heal()
        assert least(a, b) >= 0.1


def test_block_leaves_what_was_set_before(peer_network):
    a, b, link = echoing(peer_network)
    before = link.set(delay=0.1)
    with link.set(delay=0, loss=1) as block:
        a.call(network_calls.send_datagram, b.host, b"lost", 7)
        assert (block.hits, before.hits) == (1, 0)
    assert least(a, b) >= 0.1
    assert (block.hits, before.hits) == (1, 1)


def test_block_of_the_first_setting_heals_it(peer_network):
    a, b, link = echoing(peer_network)
    with link.set(loss=1, expect_hits=False) as fault:
        pass
    assert fault.healed
    assert least(a, b) > 0


def test_block_without_a_hit_fails_the_test(inner):
    inner.write(
        """
from network_calls import cast_and_bind, echo, round_trips

def test_it(peer_network):
    a, b = peer_network.many(2, name="db")
    cast_and_bind(b, echo)
    link = peer_network.link(a, b)
    link.set(delay=0.01)
    with link.set(loss=0.5):
        pass
    a.call(round_trips, b.host, 1)
"""
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E*FaultNotEffective: link from db-0 to db-1: loss 0.5 touched no packet*"]
    )


def test_refused_setting_leaves_what_was_set_before(peer_network):
    a, b, link = echoing(peer_network)
    link.set(delay=0.1)
    sabotage(peer_network, "ignore", "loss")
    with pytest.raises(FaultNotEffective, match=r"without effect: loss 0.5: "):
        link.set(loss=0.5)
    assert least(a, b) >= 0.1


def test_later_setting_holds_until_it_is_healed(peer_network):
    a, b, link = echoing(peer_network)
    link.set(delay=30, expect_hits=False)
    with link.set(delay=0.1):
        assert 0.1 <= least(a, b) < 30
