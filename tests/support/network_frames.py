"""Frames as the kernel of a host makes them; checksums are left out."""

from __future__ import annotations

import socket
import struct

from pytest_peer.network.switch.packets import IPV4, IPV6, TCP, UDP, Packet

A4, B4 = (socket.inet_aton(f"10.77.0.{number}") for number in (1, 2))
A6, B6 = (socket.inet_pton(socket.AF_INET6, f"fd77::{number}") for number in (1, 2))


def ip4(protocol, body, options=b"", destination="10.77.0.2"):
    """Return a frame with an IPv4 packet; the options are a multiple of 4 bytes."""
    size = 20 + len(options)
    first = 0x40 | size // 4
    head = struct.pack("!BBHHHBBH", first, 0, size + len(body), 0, 0, 64, protocol, 0)
    addresses = A4 + socket.inet_aton(destination)
    return bytes(12) + IPV4 + head + addresses + options + body


def ip6(protocol, body):
    return (
        bytes(12) + IPV6 + struct.pack("!IHBB", 6 << 28, len(body), protocol, 64) + A6 + B6 + body
    )


def udp(payload=b"", sport=1000, dport=53):
    return struct.pack("!HHHH", sport, dport, 8 + len(payload), 0) + payload


def tcp(payload=b"", sport=1000, dport=80, flags=0x10, ack=0, options=b""):
    size = 20 + len(options)
    head = struct.pack("!HHIIBBHHH", sport, dport, 0, ack, size // 4 << 4, flags, 0, 0, 0)
    return head + options + payload


def datagram(payload=b"text", **header):
    return Packet(ip4(UDP, udp(payload), **header), "a", "b")


def segment(payload=b"text"):
    return Packet(ip4(TCP, tcp(payload)), "a", "b")
