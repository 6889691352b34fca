"""What the switch counts at a port."""

from __future__ import annotations

import socket

from network_frames import datagram

from pytest_peer.network.addresses import Host
from pytest_peer.network.switch.switch import Port


def test_frame_that_cannot_be_sent_is_counted():
    inner, outer = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with inner:
        outer.close()
        port = Port(Host("db-1", 1), inner)
        for _ in range(2):
            port.send(datagram().frame)
    assert port.failed == 2
