"""A packet that the network loses itself is told of: it is no fault of the test."""

from __future__ import annotations

import re

import pytest
from network_calls import start_server

SOURCE = """
import network_calls
from network_sabotage import sabotage

COUNT = 300

def test_it(peer_network):
    a, b = peer_network.many(2, name="db")
    network_calls.cast_and_bind(b, network_calls.collect_datagrams)
    sabotage(peer_network, "stop_switch")
    a.call(network_calls.send_datagrams, b.host, [bytes(1000)] * COUNT)
    sabotage(peer_network, "go_on")
    a.call(network_calls.send_datagram, b.host, b"end")
    b.stdout.wait_for("end")
    arrived = b.stdout.text.count(bytes(1000).decode())
    assert 0 < arrived < COUNT
    print("lost:", COUNT - arrived)
"""
LOST = r"packets lost by no fault, but as they were too many: (\d+) from db-0$"


def test_what_the_switch_has_no_room_for_is_in_the_section(inner):
    inner.write(SOURCE + "    assert 0\n")
    text = inner.run().stdout.str()
    (lost,) = re.findall(r"^lost: (\d+)$", text, re.MULTILINE)
    assert set(re.findall(LOST, text, re.MULTILINE)) == {lost}


def test_test_that_passes_has_a_warning(inner):
    inner.write(SOURCE)
    result = inner.run("-rA")
    result.assert_outcomes(passed=1, warnings=1)
    result.stdout.re_match_lines([r".*PacketsLostWarning: " + LOST])


@pytest.mark.parametrize("again", ["unplug", "plug"])
def test_interface_that_was_down_is_said_to_have_lost_packets(inner, again):
    inner.write(f"""
import network_calls
from network_sabotage import sabotage

def test_it(peer_network):
    a, b = peer_network.many(2, name="db")
    sabotage(peer_network, "unplug", b.host)
    a.call(network_calls.send_datagrams, b.host, [b"text"] * 3)
    sabotage(peer_network, "{again}", b.host)
    assert 0
""")
    text = inner.run().stdout.str()
    found = re.search(
        r"^packets lost .*, but as the host's interface was down: (\d+) to db-1$", text, re.M
    )
    assert int(found[1]) >= 3  # what kernels tell each other gets lost too


def test_ordinary_test_has_no_warning(peer_network, recwarn):
    a, b = peer_network.many(2)
    start_server(b)
    peer_network.connect(b, 80).close()
    with peer_network.partition([a], [b], expect_hits=False):
        pass
    assert peer_network._fabric.losses() == ""
    assert not recwarn
