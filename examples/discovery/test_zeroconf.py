"""Services on hosts of their own, which zeroconf finds by multicast DNS within a segment.

Shows: multicast between peers; segments of a network (`lan`), joined by a router (`wan`), which
passes on no multicast.
"""

from __future__ import annotations

import pytest
import shops
from zeroconf import NonUniqueNameException

from pytest_peer import Peer, eventually

SOON = 20  # seconds


def wait_until_seen(customer: Peer, expected: dict[str, list[str]]) -> None:
    eventually(lambda: customer.call(shops.seen) == expected, SOON)


def test_a_shop_is_seen_until_it_closes(peer_network):
    shop, customer = peer_network.many(2)
    customer.call(shops.look_around)
    shop.call(shops.open_shop, "tea")
    wait_until_seen(customer, {"tea": [shop.address]})
    shop.call(shops.close_shop)
    wait_until_seen(customer, {})


def test_a_name_is_given_once(peer_network):
    first, second = peer_network.many(2)
    first.call(shops.open_shop, "tea")
    with pytest.raises(NonUniqueNameException):
        second.call(shops.open_shop, "tea")


def test_each_segment_has_names_of_its_own(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    peer_network.wan(eu, us)
    for lan in (eu, us):
        shop, customer = lan.many(2)
        customer.call(shops.look_around)
        shop.call(shops.open_shop, "tea")  # in the second segment it is free again
        wait_until_seen(customer, {"tea": [shop.address]})
