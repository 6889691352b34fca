"""With ``tcp="fast"`` a host sends again soon what was lost; else it is as its kernel is."""

from __future__ import annotations

from pathlib import Path

import pytest

SYSCTL = Path("/proc/sys/net/ipv4/tcp_syn_retries")  # one that every kernel has
RTO_MIN = Path("/proc/sys/net/ipv4/tcp_rto_min_us")


@pytest.mark.skipif(not RTO_MIN.exists(), reason="Linux before 6.11")
def test_timers_of_a_fast_host_are_short(peer_network):
    fast, kernel = peer_network(tcp="fast"), peer_network()
    assert int(fast.call(RTO_MIN.read_text)) == 5000
    assert int(kernel.call(RTO_MIN.read_text)) > 5000


def test_hosts_of_many_can_differ(peer_network):
    a, b = peer_network.many(2, tcp="fast", each=[{}, {"tcp": "kernel"}], name="db")
    with peer_network.partition([a], [b], expect_hits=False):
        pass
    if RTO_MIN.exists():
        assert int(a.call(RTO_MIN.read_text)) < int(b.call(RTO_MIN.read_text))


def test_restart_keeps_the_timers(peer_network):
    peer = peer_network(tcp="fast")
    before = peer.call(SYSCTL.read_text)
    assert peer.restart().call(SYSCTL.read_text) == before


@pytest.mark.peer(tcp="fast")
def test_marker_gives_the_timers_to_hosts_only(peer_network, peer_factory):
    peer_factory()  # has none
    fast, kernel = peer_network.lan("eu")(), peer_network(tcp="kernel")
    hosts = peer_network._fabric.hosts
    assert (hosts[fast.host].tcp, hosts[kernel.host].tcp) == ("fast", "kernel")


@pytest.mark.parametrize(
    ("options", "fixture", "error"),
    [
        ("tcp='quick'", "peer_network", "E *ValueError: peer marker: tcp: expected 'kernel'*"),
        ("tcp='fast'", "peer_factory", "E *ValueError: peer marker: tcp: it is for peers of peer*"),
        ("lan='eu'", "peer_network", "*peer marker: lan: unknown option; known are *, tcp*"),
    ],
)
def test_marker_with_what_no_peer_can_have_is_refused(inner, options, fixture, error):
    inner.write(f"""
@pytest.mark.peer({options})
def test_it({fixture}): {fixture}()
""")
    inner.run().stdout.fnmatch_lines([error])


@pytest.mark.parametrize(("tcp", "error"), [("quick", ValueError), (None, TypeError)])
def test_other_timers_are_refused(peer_network, tcp, error):
    with pytest.raises(error, match="tcp: expected"):
        peer_network(tcp=tcp)
    with pytest.raises(error, match="tcp: expected"):
        peer_network.many(2, tcp=tcp)


def test_section_says_which_timers(inner):
    inner.write(
        """
def test_it(peer_network):
    peer_network.many(2, name="db", tcp="fast")
    peer_network(name="web")
    assert 0
"""
    )
    inner.run().stdout.fnmatch_lines(["tcp='kernel' in web", "tcp='fast' in db-0*db-1"])
