"""What is read and described of packets that a network has lost itself."""

from __future__ import annotations

import pytest

from pytest_peer.network.switch.losses import Lost, described, dropped

LISTING = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
 port1: 1000000    1500    1    2    3     4          5         6  2000000    2500    7    8    9    10      11         12
port10:0 0 0 0 0 0 0 0 0 0 0 80 0 0 0 0
"""


def test_drops_of_interfaces_are_those_when_sending():
    assert dropped(LISTING) == {"lo": 0, "port1": 8, "port10": 80}


def test_listing_that_is_not_there_has_none():
    assert dropped("") == {}


def test_listing_of_this_machine_is_read():
    with open("/proc/self/net/dev") as file:
        assert "lo" in dropped(file.read())


@pytest.mark.parametrize(
    ("lost", "text"),
    [
        ({}, ""),
        ({"db-0": Lost(3, 0)}, ": 3 from db-0"),
        ({"db-0": Lost(3, 1), "db-1": Lost(0, 2)}, ": 3 from db-0, 1 to db-0, 2 to db-1"),
        (
            {"db-0": Lost(3, 0), "db-1": Lost(0, 2, down=True)},
            "too many: 3 from db-0, and as the host's interface was down: 2 to db-1",
        ),
    ],
)
def test_losses_are_told_by_host(lost, text):
    assert described(lost).endswith(text)
    assert bool(described(lost)) is bool(text)
