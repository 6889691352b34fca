"""Segments of a network are apart until the test joins them."""

from __future__ import annotations

import socket
import struct

import pytest
from network_calls import ask, seconds_to_connect, start_server

GROUP, PORT = "239.1.2.3", 5000


def unreachable(source, target, limit=0.2):
    with pytest.raises(TimeoutError):
        source.call(ask, target.host, 80, limit)


def test_lan_is_a_factory(peer_network):
    eu = peer_network.lan("eu")
    a, b = eu.many(2, name="eu")
    assert [a.name, b.name] == ["eu-0", "eu-1"]
    start_server(b)
    assert a.call(ask, b.host) == b.host


def test_same_name_is_the_same_lan(peer_network):
    assert peer_network.lan("eu") is peer_network.lan("us").lan("eu")
    assert peer_network.lan("eu") is not peer_network.lan("us")


@pytest.mark.parametrize("name", ["", None])
def test_lan_has_a_name(peer_network, name):
    with pytest.raises((TypeError, ValueError), match="lan: expected a"):
        peer_network.lan(name)


def test_segments_do_not_reach_each_other(peer_network):
    a, b = peer_network.lan("eu")(), peer_network.lan("us")()
    c = peer_network()
    for each in (a, b, c):
        start_server(each)
    unreachable(a, b)
    unreachable(b, a)
    unreachable(c, a)
    with pytest.raises(TimeoutError):
        peer_network.connect(a, 80, timeout=0.2)


def test_connecting_to_a_segment_that_is_not_joined_is_refused(peer_network):
    eu = peer_network.lan("eu")
    a = eu()
    with pytest.raises(TimeoutError, match=r"not joined.*peer_network\.wan\(.*lan\('eu'\)\)"):
        eu.connect(a, 80, timeout=None)
    peer_network.wan(eu, peer_network)
    with pytest.raises(ConnectionRefusedError):
        eu.connect(a, 80)
    peer_network.connect(peer_network.nameserver.host, 53).close()


def test_section_says_which_segments_are_not_joined(inner):
    inner.write("""
def test_it(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    for each in (peer_network, eu, us):
        each()
    peer_network.wan(eu, us)
    assert 0
""")
    inner.run().stdout.fnmatch_lines(
        ["not joined: the default segment and lan eu, the default segment and lan us"]
    )


def test_joined_segments_reach_each_other(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    a, b = eu(), us()
    start_server(a)
    start_server(b)
    peer_network.wan(eu, us)
    assert a.call(ask, b.host) == b.host
    assert b.call(ask, a.host) == a.host


def test_wan_that_is_refused_joins_nothing(inner):
    inner.write(
        """
import pytest

def test_it(peer_network):
    eu = peer_network.lan("eu")
    eu(name="a")
    peer_network(name="b")
    with pytest.raises(ValueError):
        peer_network.wan(peer_network, eu, loss=2)
    assert False
"""
    )
    result = inner.run()
    result.stdout.fnmatch_lines(["not joined: the default segment and lan eu"])
    result.stdout.no_fnmatch_line("*wan between*")


def test_delay_of_a_wan_is_each_ways(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    wan = peer_network.wan(eu, us, delay=0.1)
    a, b = eu(), us()
    start_server(b)
    assert a.call(seconds_to_connect, b.host) >= 0.2
    assert wan.hits >= 2


def test_within_a_segment_there_is_no_delay(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    a, b = eu.many(2)
    wan = peer_network.wan(eu, us, delay=30)
    start_server(b)
    assert a.call(ask, b.host) == b.host
    assert wan.hits == 0


def test_joining_is_not_passed_on(peer_network):
    lans = [peer_network.lan(name) for name in ("eu", "us", "asia")]
    a, b, c = (lan() for lan in lans)
    start_server(c)
    peer_network.wan(lans[0], lans[1])
    peer_network.wan(lans[1], lans[2])
    unreachable(a, c)
    assert b.call(ask, c.host) == c.host


def test_default_segment_can_be_joined(peer_network):
    eu = peer_network.lan("eu")
    a, b = eu(), peer_network()
    start_server(a)
    peer_network.wan(peer_network, eu)
    assert b.call(ask, a.host) == a.host
    with peer_network.connect(a, 80) as sock:
        assert sock.recv(100).decode() == a.host


def test_wan_can_be_changed_and_healed(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    wan = peer_network.wan(eu, us, loss=1)
    a, b = eu(), us()
    start_server(b)
    unreachable(a, b)
    assert wan.counts["dropped"] >= 1
    wan.set(loss=0, delay=0.05)
    assert a.call(seconds_to_connect, b.host) >= 0.1
    wan.set(loss=1)
    unreachable(a, b)
    wan.heal()
    assert a.call(ask, b.host) == b.host


def test_nothing_waits_behind_what_a_healed_wan_has_delayed(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    wan = peer_network.wan(eu, us, delay=300)
    a, b = eu(), us()
    start_server(b)
    for source, target in ((a, b), (b, a)):
        source.call(send, target.host, b"late")
    wan.heal()
    assert a.call(ask, b.host) == b.host


def test_wan_is_no_fault_of_the_test(inner):
    inner.write(
        """
def test_it(peer_network):
    wan = peer_network.wan(peer_network.lan("eu"), peer_network.lan("us"), delay=0.08)
    peer_network.heal()
    assert wan.settings.delay == 0.08
"""
    )
    inner.run().assert_outcomes(passed=1)


def test_segment_is_not_joined_to_itself(peer_network):
    eu = peer_network.lan("eu")
    with pytest.raises(ValueError, match="cannot be joined to itself"):
        peer_network.wan(eu, eu)
    with pytest.raises(TypeError, match="wan: expected what"):
        peer_network.wan(eu, eu())


def test_hosts_of_segments_can_be_cut(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    peer_network.wan(eu, us)
    (a, b), c = eu.many(2), us()
    start_server(c)
    with peer_network.cut(a, c) as cut:
        unreachable(a, c)
        assert b.call(ask, c.host) == c.host
        assert cut.hits
    assert a.call(ask, c.host) == c.host


def test_segments_can_be_partitioned(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    peer_network.wan(eu, us)
    (a, b), c = eu.many(2), us()
    start_server(b)
    start_server(c)
    with peer_network.partition(eu, us):
        unreachable(a, c)
        assert a.call(ask, b.host) == b.host
    assert a.call(ask, c.host) == c.host


def test_cut_between_unjoined_segments_is_proved(peer_network):
    a, b = peer_network.lan("eu")(), peer_network.lan("us")()
    with peer_network.partition([a], [b], expect_hits=False) as cut:
        assert cut.hits == 0


def test_link_adds_to_what_the_wan_does(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    peer_network.wan(eu, us, delay=0.1)
    a, b = eu(), us()
    start_server(b)
    eu.link(a, b).set(delay=0.1)
    assert a.call(seconds_to_connect, b.host) >= 0.3
    assert peer_network.link(a, b) is us.link(a, b)


def test_names_lead_to_hosts_of_all_segments(peer_network):
    a, b = peer_network.lan("eu")(), peer_network.lan("us")()
    for each in (a, b):
        found = [each.call(socket.gethostbyname, other.name) for other in (a, b)]
        assert found == [a.address, b.address]


def test_nameserver_is_in_all_segments(peer_network):
    a = peer_network.lan("eu")()
    with pytest.raises(socket.gaierror, match="not known"):  # and not that nobody answers
        a.call(socket.gethostbyname, "example.org")


def test_nameserver_answers_within_each_segment(peer_network):
    eu = peer_network.lan("eu")
    a = eu()
    wan = peer_network.wan(peer_network, eu, loss=1)
    with pytest.raises(socket.gaierror, match="not known"):
        a.call(socket.gethostbyname, "example.org")
    assert wan.hits == 0


def collect(port=PORT):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("", port))
        member = struct.pack("4s4s", socket.inet_aton(GROUP), socket.inet_aton("0.0.0.0"))
        sock.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, member)
        print("bound", flush=True)
        while True:
            print(sock.recv(2000).decode(), flush=True)


def send(host, payload):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(payload, (host, PORT))


def assert_stays_within(there, elsewhere, send_to_all, address):
    (a, b), c = there.many(2), elsewhere()
    for each in (b, c):
        each.cast(collect)
        each.stdout.wait_for("bound")
    a.call(send_to_all, address, b"to all")
    b.stdout.wait_for("to all")
    a.call(send, c.host, b"to one")  # behind the other
    c.stdout.wait_for("to one")
    assert "to all" not in c.stdout.text


def test_multicast_stays_within_a_segment(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    peer_network.wan(eu, us)
    assert_stays_within(eu, us, send, GROUP)


def broadcast(address, payload):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        sock.sendto(payload, (address, PORT))


@pytest.mark.parametrize(
    ("name", "address"),
    [("eu", "255.255.255.255"), ("eu", "10.78.255.255"), ("", "10.77.255.255")],
)
def test_broadcasts_stay_within_a_segment(peer_network, name, address):
    eu = peer_network.lan("eu")
    peer_network.wan(eu, peer_network)
    there, elsewhere = (eu, peer_network) if name else (peer_network, eu)
    assert_stays_within(there, elsewhere, broadcast, address)


def test_wan_takes_what_a_link_takes(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    with pytest.raises(ValueError, match="loss: expected a probability"):
        peer_network.wan(eu, us, loss=2)
    with peer_network.wan(eu, us, rate="1mbit", jitter=0.01) as wan:
        assert "rate 1e+06" in repr(wan)
