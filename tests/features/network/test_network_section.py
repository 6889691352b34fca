"""A failing test shows its network: hosts, faults and what they touched, and how to repeat it."""

from __future__ import annotations

import re

SOURCE = """
import network_calls

def test_it(peer_network):
    a, b = peer_network.many(2, name="db")
    with peer_network.cut(a, b):
        for _ in range(3):
            a.call(network_calls.send_datagram, b.host, b"lost")
    peer_network.link(b, a).set(delay=0.01, expect_hits=False)
    assert 0
"""


def section(result):
    """Return the lines of the section."""
    text = result.stdout.str()
    assert text.count("Captured network call") == 1
    found = re.search(r"-+ Captured network call -+\n(.*?)\n[-=]{3}", text, re.DOTALL)
    return found[1].splitlines()


def test_faults_are_shown_with_times_and_counts(inner):
    inner.write(SOURCE)
    found = section(inner.run("--peer-seed", "7"))
    assert found[0] == 'seed 7, again with: pytest "test_inner.py::test_it" --peer-seed 7'
    assert "hosts: db-0 10.77.0.1, db-1 10.77.0.2" in found
    number = r" +\d+\.\d{3} "
    cut = rf"{number}to \d+\.\d{{3}} +cut from db-0 to db-1: 3 packets hit, 3 dropped"
    link = rf"{number}not healed +link from db-1 to db-0: delay 0.01: no packet hit"
    assert re.fullmatch(cut, found[-2])
    assert re.fullmatch(link, found[-1])


def test_seed_is_drawn_once_for_a_run(inner):
    inner.write(SOURCE + "\n\ndef test_again(peer_network):\n    assert 0\n")
    text = inner.run().stdout.str()
    first, second = re.findall(r"^seed (\d+), again", text, re.MULTILINE)
    assert first == second


def test_fault_without_a_hit_is_in_the_section(inner):
    inner.write(
        """
def test_it(peer_network):
    a, b = peer_network.many(2, name="db")
    with peer_network.partition([a], [b]):
        pass
"""
    )
    found = section(inner.run())
    assert found[-1].endswith("partition: db-0 | db-1: no packet hit")


def test_network_without_a_peer_is_shown(inner):
    inner.write("def test_it(peer_network):\n    assert 0\n")
    assert section(inner.run())[-1] == "no faults"


def test_failure_after_the_test_shows_the_network(inner):
    inner.write(
        """
@pytest.fixture
def broken(peer_network):
    yield
    assert 0

def test_it(peer_network, broken):
    with peer_network.partition(*peer_network.many(2, name="db"), expect_hits=False):
        pass
"""
    )
    inner.run().stdout.fnmatch_lines(["*Captured network teardown*", "*partition: db-0 | db-1*"])


def test_test_that_passes_shows_no_network(inner):
    inner.write("def test_it(peer_network):\n    peer_network()\n")
    result = inner.run("-rA")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*network call*")


def test_failure_without_a_network_shows_none(inner):
    inner.write("def test_it(peer):\n    assert 0\n")
    inner.run().stdout.no_fnmatch_line("*network call*")


def test_what_joins_segments_is_in_the_section(inner):
    inner.write(
        """
import network_calls

def test_it(peer_network):
    a, b = peer_network(name="a"), peer_network.lan("eu")(name="b")
    peer_network.wan(peer_network, peer_network.lan("eu"), loss=1)
    a.call(network_calls.send_datagram, b.host, b"text")
    assert 0
"""
    )
    inner.run().stdout.fnmatch_lines(
        ["wan between <peer_network> and <lan eu>: loss 1: 1 packet hit, 1 dropped", "no faults"]
    )
