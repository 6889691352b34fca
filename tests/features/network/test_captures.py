"""A failing test leaves what was sent in its network, as a file; one that passes leaves none."""

from __future__ import annotations

import re

import pytest
from pcaps import frames_of, read

SOURCE = """
import network_calls

def test_it(peer_network):
    a, b = peer_network.many(2, name="db")
    network_calls.cast_and_bind(b, network_calls.collect_datagrams)
    with peer_network.cut(a, b):
        a.call(network_calls.send_datagram, b.host, b"lost in the cut")
    a.call(network_calls.send_datagram, b.host, b"arrived")
    b.stdout.wait_for("arrived")
"""


def captures(directory):
    return sorted(directory.rglob("*.pcap"))


def kept(inner, *arguments):
    """Return the one capture in the directory for the artifacts of a run."""
    result = inner.run(*arguments, "--peer-artifacts", "kept")
    return result, captures(inner.path / "kept")


def test_failing_test_leaves_its_packets(inner):
    inner.write(SOURCE + "    assert 0\n")
    result, (file,) = kept(inner)
    result.assert_outcomes(failed=1)
    assert file == inner.path / "kept" / "test_inner.py--test_it" / "network.pcap"
    frames = frames_of(file)
    for payload in (b"lost in the cut", b"arrived"):
        (frame,) = [each for each in frames if each.endswith(payload)]
        assert frame[12:14] == b"\x08\x00"
        assert frame[26:34] == bytes((10, 77, 0, 1, 10, 77, 0, 2))
    times = [when for when, _ in read(file)]
    assert times == sorted(times)


def test_section_names_the_file(inner):
    inner.write(SOURCE + "    assert 0\n")
    result, (file,) = kept(inner)
    found = re.search(r"^packets: (\d+) in (.*)$", result.stdout.str(), re.MULTILINE)
    assert found[2] == str(file)
    assert len(frames_of(file)) >= int(found[1])


def test_without_a_directory_it_is_in_that_of_the_test(inner):
    inner.write(SOURCE + "    assert 0\n")
    inner.run("--basetemp", "temporary")
    (file,) = captures(inner.path / "temporary")
    assert file.parts[-3:-1] == ("test_it0", "peers")


@pytest.mark.parametrize("options", [["--peer-artifacts", "kept"], []])
def test_passing_test_leaves_none(inner, options):
    inner.write(SOURCE)
    inner.run("--basetemp", "temporary", *options).assert_outcomes(passed=1)
    assert captures(inner.path) == []


def test_failure_after_the_test_leaves_its_packets(inner):
    inner.write(
        """
@pytest.fixture
def broken(peer_network):
    yield
    assert 0
"""
        + SOURCE.replace("(peer_network)", "(peer_network, broken)")
    )
    _, (file,) = kept(inner)
    assert any(frame.endswith(b"arrived") for frame in frames_of(file))


def test_fault_without_a_hit_leaves_the_packets(inner):
    inner.write(SOURCE + "    peer_network.cut(b, a)\n")
    result, found = kept(inner)
    result.assert_outcomes(failed=1)
    assert len(found) == 1


def test_reset_of_connections_is_in_the_file(inner):
    inner.write(
        """
import network_calls

def test_it(peer_network):
    a, b = peer_network.many(2)
    network_calls.start_server(b, 8080)
    a.call(network_calls.connect_and_keep, b.host, 8080)
    peer_network.abort(a, b)
    assert 0
"""
    )
    _, (file,) = kept(inner)
    resets = [f for f in frames_of(file) if f[12:14] == b"\x08\x00" and f[23] == 6 and f[47] & 4]
    assert resets


def test_full_file_is_told(inner):
    inner.write(
        """
import network_calls
from network_sabotage import sabotage

def test_it(peer_network):
    a, b = peer_network.many(2)
    sabotage(peer_network, "fill_capture", 2000)
    for _ in range(3):
        a.call(network_calls.send_datagram, b.host, bytes(900))
    with peer_network.cut(a, b, expect_hits=False):
        pass  # proved behind them
    assert 0
"""
    )
    result, (file,) = kept(inner)
    result.stdout.re_match_lines([r"packets: \d+, not \d+ more, as it has 0 MB, the most: in /.*"])
    assert sum(len(frame) > 900 for frame in frames_of(file)) < 3
