"""What is asked of the kernel for interfaces is what the kernel says about them afterwards."""

from __future__ import annotations

import os
import socket

import pytest

from pytest_peer.network.holder import rtnetlink


def test_kernel_refuses_by_place():
    with rtnetlink.Socket() as netlink:
        refused = netlink.refused(
            rtnetlink.up(2**31 - 1), rtnetlink.default_route(2**31 - 1, socket.AF_INET)
        )
    assert set(refused) == {0, 1}
    assert all(os.strerror(number) for number in refused.values())


def test_first_refusal_is_raised():
    with rtnetlink.Socket() as netlink, pytest.raises(OSError, match=r"No such|not permitted"):
        netlink.ask(rtnetlink.up(2**31 - 1))


def test_pair_is_one_message_with_both_names():
    _, _, body = rtnetlink.pair("port7", "eth0", 9, bytes((2, 0, 0, 0, 0, 7)))
    assert b"port7\0" in body
    assert b"eth0\0" in body
    assert b"veth" in body
    assert bytes((2, 0, 0, 0, 0, 7)) in body
    assert len(body) % 4 == 0


@pytest.mark.parametrize(
    ("text", "family"), [("10.77.0.1", socket.AF_INET), ("fd77::1", socket.AF_INET6)]
)
def test_address_is_of_its_family(text, family):
    _, _, body = rtnetlink.address(5, text, 16)
    assert body[0] == family
    assert socket.inet_pton(family, text) in body


def test_interface_tells_how_often_its_other_end_went_down():
    with rtnetlink.Socket() as netlink:
        assert netlink.carrier_losses(socket.if_nametoindex("lo")) == 0
        assert netlink.carrier_losses(2**31 - 1) == 0  # there is none
