"""Connections as the kernel lists them, and segments with checksums that a kernel takes."""

from __future__ import annotations

import socket
import struct

import pytest
from network_frames import A4, A6, B4, B6

from pytest_peer.network.switch.packets import TCP, Packet
from pytest_peer.network.switch.tcp import ACK, PSH, RST, End, checksum, opened, segment

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt\n"
REST = " 00000000:00000000 00:00000000 00000000     0        0 12345 1"


def shown(address):
    """Return an address as the kernel writes it: words of 32 bits in the machine's order."""
    words = struct.unpack(f"={len(address) // 4}I", address)
    return "".join(f"{word:08X}" for word in words)


def line(local, remote, state="01"):
    return f"   0: {shown(local)}:0050 {shown(remote)}:C350 {state}{REST}\n"


@pytest.mark.parametrize(
    ("local", "remote"),
    [(A4, B4), (A6, B6), (bytes(10) + b"\xff\xff" + A4, bytes(10) + b"\xff\xff" + B4)],
    ids=["IPv4", "IPv6", "mapped"],
)
def test_listing_has_addresses_and_ports(local, remote):
    (found,) = opened(HEAD + line(local, remote))
    mapped = len(local) == 16 and local != A6
    assert found == (local[-4:] if mapped else local, 80, remote[-4:] if mapped else remote, 50000)


@pytest.mark.parametrize(
    ("state", "is_open"),
    [
        ("01", True),  # ESTABLISHED
        ("02", False),  # SYN_SENT
        ("04", True),  # FIN_WAIT1
        ("05", True),  # FIN_WAIT2
        ("06", False),  # TIME_WAIT
        ("07", False),  # CLOSE
        ("08", True),  # CLOSE_WAIT
        ("0A", False),  # LISTEN
    ],
)
def test_only_open_connections_are_found(state, is_open):
    assert bool(list(opened(HEAD + line(A4, B4, state)))) is is_open


@pytest.mark.parametrize("text", ["", HEAD, HEAD + "\n"])
def test_listing_without_connections(text):
    assert list(opened(text)) == []


def test_real_listing_has_a_connection_of_this_process():
    with (
        socket.create_server(("127.0.0.1", 0)) as server,
        socket.create_connection(server.getsockname()) as client,
        open("/proc/self/net/tcp") as file,
    ):
        (address, port), (_, remote_port) = client.getsockname(), client.getpeername()
        raw = socket.inet_aton(address)
        found = set(opened(file.read()))
        end = End(raw, port, raw, remote_port)
        assert {end, end.other} <= found


def test_other_end_of_an_end():
    end = End(A4, 80, B4, 50000)
    assert end.other == End(B4, 50000, A4, 80)
    assert end.other.other == end
    assert str(end) == "10.77.0.1 port 80 > 10.77.0.2 port 50000"


@pytest.mark.parametrize("ends", [End(A4, 80, B4, 50000), End(A6, 80, B6, 50000)])
@pytest.mark.parametrize("payload", [b"", b"\0", b"text"])
def test_segment_comes_from_the_other_end(ends, payload):
    packet = Packet(segment(ends, ACK | PSH, 2**32 + 5, 7, payload), "a", "b")
    assert packet.addresses == (ends.remote, ends.local)
    assert (packet.tcp, packet.sport, packet.dport) == (True, 50000, 80)
    assert (packet.acknowledged, packet.payload) == (7, payload)


def test_reset_acknowledges_nothing():
    packet = Packet(segment(End(A4, 80, B4, 50000), RST, 5), "a", "b")
    assert packet.acknowledged is None


@pytest.mark.parametrize(
    ("ends", "start"), [(End(A4, 80, B4, 50000), 34), (End(A6, 80, B6, 50000), 54)]
)
@pytest.mark.parametrize("payload", [b"", b"\0", b"text"])
def test_checksums_are_right(ends, start, payload):
    frame = segment(ends, RST, 5, 0, payload)
    body = frame[start:]
    pseudo = ends.remote + ends.local + struct.pack("!II", len(body), TCP)
    assert checksum(pseudo + body) == 0
    if start == 34:
        assert checksum(frame[14:start]) == 0


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (bytes.fromhex("0001f203f4f5f6f7"), 0x220D),  # the example of RFC 1071
        (b"", 0xFFFF),
        (b"\x01", 0xFEFF),
        (b"\xff\xff" * 40000, 0),  # carries more than once
    ],
)
def test_checksum_of_the_internet(data, found):
    assert checksum(data) == found
