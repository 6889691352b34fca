"""What is read in a frame."""

from __future__ import annotations

import random

import pytest
from network_frames import A4, A6, B4, B6, ip4, ip6, tcp, udp

from pytest_peer.network.switch.packets import CANARY, IPV4, TCP, UDP, Packet

ICMP6, HOP_BY_HOP, DESTINATION, FRAGMENT = 58, 0, 60, 44


def packet(frame):
    return Packet(frame, "a", "b")


@pytest.mark.parametrize(
    ("frame", "protocol", "ports", "payload"),
    [
        (ip4(UDP, udp(b"text")), UDP, (1000, 53), b"text"),
        (ip6(UDP, udp(b"text")), UDP, (1000, 53), b"text"),
        (ip4(TCP, tcp(b"text")), TCP, (1000, 80), b"text"),
        (ip6(TCP, tcp(b"text")), TCP, (1000, 80), b"text"),
        (ip4(TCP, tcp(b"text", options=bytes(12))), TCP, (1000, 80), b"text"),
        (ip4(UDP, udp(b"text"), options=bytes(8)), UDP, (1000, 53), b"text"),
        (ip4(UDP, udp()), UDP, (1000, 53), b""),
        (ip4(1, b"\x08echo"), 1, (0, 0), b"\x08echo"),
        (ip4(UDP, udp(b"text")) + bytes(14), UDP, (1000, 53), b"text"),  # filled up to 60 bytes
    ],
    ids=["udp", "udp6", "tcp", "tcp6", "tcp options", "ip options", "empty", "icmp", "padded"],
)
def test_parts_of_a_packet(frame, protocol, ports, payload):
    found = packet(frame)
    assert found.protocol == protocol
    assert (found.sport, found.dport) == ports
    assert found.payload == payload


def test_extensions_of_ipv6_are_passed_over():
    extensions = bytes((DESTINATION, 0)) + bytes(6) + bytes((UDP, 1)) + bytes(14)
    found = packet(ip6(HOP_BY_HOP, extensions + udp(b"text")))
    assert (found.protocol, found.dport, found.payload) == (UDP, 53, b"text")


@pytest.mark.parametrize("size", range(34, 54))
def test_cut_off_segment_can_be_shown(size):
    assert repr(packet(ip4(TCP, tcp())[:size])).startswith("<a > b tcp")


FRAMES = [
    ip4(UDP, udp(b"text"), options=bytes(8)),
    ip4(TCP, tcp(b"text", options=bytes(8))),
    ip4(2, bytes(8)),
    ip6(ICMP6, b"\x87" + bytes(23)),
    ip6(HOP_BY_HOP, bytes((ICMP6, 1)) + bytes(14) + b"\x8f" + bytes(27)),
    ip6(UDP, udp(b"text")),
    ip6(FRAGMENT, bytes((UDP, 0)) + bytes(6) + udp(b"text")),
    ip6(TCP, tcp(b"text")),
]


def read_all(found):
    return [getattr(found, name) for name in dir(Packet) if not name.startswith("_")], repr(found)


@pytest.mark.parametrize("frame", FRAMES)
def test_frame_that_is_cut_off_can_be_read(frame):
    for size in range(34 if frame[12:14] == IPV4 else 54, len(frame)):
        read_all(packet(frame[:size]))


@pytest.mark.parametrize("frame", FRAMES)
@pytest.mark.parametrize("seed", range(20))
def test_frame_that_is_damaged_can_be_read(frame, seed):
    draw, changed = random.Random(seed), bytearray(frame)
    for _ in range(5):
        changed[draw.randrange(14, len(frame))] = draw.randrange(256)
    read_all(packet(bytes(changed)))


@pytest.mark.parametrize(
    ("frame", "addresses"), [(ip4(UDP, udp()), (A4, B4)), (ip6(UDP, udp()), (A6, B6))]
)
def test_addresses(frame, addresses):
    assert packet(frame).addresses == addresses


@pytest.mark.parametrize(
    ("frame", "number"),
    [
        (ip4(TCP, tcp(ack=2**32 - 1)), 2**32 - 1),
        (ip6(TCP, tcp(ack=7)), 7),
        (ip4(TCP, tcp(ack=7, flags=0x02)), None),  # SYN
        (ip4(UDP, udp(bytes(20))), None),
    ],
)
def test_acknowledged_number(frame, number):
    assert packet(frame).acknowledged == number


@pytest.mark.parametrize(
    ("frame", "chatter"),
    [
        (ip4(2, bytes(8)), True),  # IGMP
        (ip6(ICMP6, b"\x87" + bytes(23)), True),  # neighbour solicitation
        (ip6(HOP_BY_HOP, bytes((ICMP6, 0)) + bytes(6) + b"\x8f" + bytes(27)), True),  # MLDv2
        (ip6(ICMP6, b"\x80" + bytes(7)), False),  # ping
        (ip4(1, b"\x08" + bytes(7)), False),
        (ip4(UDP, udp(b"text")), False),
    ],
    ids=["igmp", "neighbours", "groups", "ping6", "ping", "udp"],
)
def test_chatter_is_of_kernels(frame, chatter):
    assert packet(frame).chatter is chatter


@pytest.mark.parametrize(
    ("frame", "canary"),
    [
        (ip4(UDP, udp(CANARY + b"1")), True),
        (ip4(UDP, udp(b"text " + CANARY)), False),
        (ip4(TCP, tcp(CANARY)), False),
    ],
)
def test_canary_is_a_datagram_of_ours(frame, canary):
    assert packet(frame).canary is canary


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        (ip4(UDP, udp(b"text")), "<a > b udp 1000 > 53, 4 bytes>"),
        (ip6(TCP, tcp()), "<a > b tcp 1000 > 80, 0 bytes>"),
        (ip4(1, b"echo"), "<a > b protocol 1, 4 bytes>"),
    ],
)
def test_repr_says_what_it_is(frame, text):
    assert repr(packet(frame)) == text


def fragment4(protocol, body, offset, more=False):
    frame = bytearray(ip4(protocol, body))
    frame[20:22] = (offset // 8 | more << 13).to_bytes(2, "big")
    return bytes(frame)


def fragment6(protocol, body, offset, more=False):
    head = bytes((protocol, 0)) + (offset | more).to_bytes(2, "big") + bytes(4)
    return ip6(FRAGMENT, head + body)


@pytest.mark.parametrize("fragment", [fragment4, fragment6])
@pytest.mark.parametrize(("protocol", "make", "port"), [(UDP, udp, 53), (TCP, tcp, 80)])
def test_first_fragment_has_ports(fragment, protocol, make, port):
    found = packet(fragment(protocol, make(b"text"), 0, more=True))
    assert (found.protocol, found.sport, found.dport) == (protocol, 1000, port)
    assert found.payload == b"text"


@pytest.mark.parametrize("fragment", [fragment4, fragment6])
@pytest.mark.parametrize("protocol", [UDP, TCP])
@pytest.mark.parametrize("more", [False, True])
def test_later_fragment_is_all_payload(fragment, protocol, more):
    body = CANARY + bytes(range(40))
    found = packet(fragment(protocol, body, 1480, more))
    assert (found.protocol, found.sport, found.dport) == (protocol, 0, 0)
    assert found.payload == body
    assert not found.canary
    assert found.acknowledged is None


def test_later_fragment_is_no_chatter():
    assert not packet(fragment6(ICMP6, b"\x87" + bytes(23), 1448)).chatter
