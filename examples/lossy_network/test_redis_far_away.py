"""redis-py and a Redis on another host: behind delay and loss, without an answer, and reset.

Shows: a program that is no Python on a host of its own; the settings of a `link`, and what they
have done to packets (`counts`); a `cut` of one direction; the end of connections by `abort`.

`tcp="fast"` lets the kernel send again soon what was lost.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import time

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from pytest_peer import Peer

PATIENCE = 20  # seconds


@pytest.fixture
def store(peer_network, tmp_path) -> Peer:
    if not shutil.which("redis-server"):
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("no program redis-server")
    command = ["redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", ""]
    store = peer_network(name="store", tcp="fast", cwd=str(tmp_path))
    store.cast(subprocess.run, command)
    store.stdout.wait_for("eady to accept connections", PATIENCE)
    return store


@pytest.fixture
def shop(peer_network, store) -> Peer:
    shop = peer_network(name="shop", tcp="fast")
    shop.call(connect, store.host)
    return shop


def connect(host: str, timeout: float = PATIENCE, retries: int = 1) -> None:
    global client
    retry = Retry(NoBackoff(), retries)
    client = redis.Redis(host, socket_timeout=timeout, retry=retry, decode_responses=True)
    client.ping()


def count_orders(count: int) -> float:
    """Do so many round trips, and return the seconds that they took."""
    begun = time.monotonic()
    for _ in range(count):
        client.incr("orders")
    return time.monotonic() - begun


def get(key: str) -> str | None:
    return client.get(key)


def test_all_gets_through_delay_and_loss(peer_network, store, shop):
    ways = peer_network.link(shop, store), peer_network.link(store, shop)
    faults = [way.set(delay=0.05, loss=0.2) for way in ways]
    took = shop.call(count_orders, 25)
    assert shop.call(get, "orders") == "25"
    assert took >= 25 * 2 * 0.05
    assert all(fault.counts["delayed"] >= 25 for fault in faults)
    assert all(fault.counts["dropped"] for fault in faults)  # none: less likely than 0.8 ** 25


def test_a_late_answer_is_not_taken_for_the_next_one(peer_network, store, shop):
    shop.call(connect, store.host, timeout=1, retries=0)
    with peer_network.cut(store, shop), pytest.raises(redis.TimeoutError):
        shop.call(count_orders, 1)
    # Redis sends its answer again now; the client must have left that connection.
    assert shop.call(get, "colour") is None
    assert shop.call(get, "orders") == "1"  # the order was counted all the same


def test_a_reset_connection_is_made_again(peer_network, store, shop):
    before = shop.call(lambda: client.client_id())
    assert peer_network.abort(shop, store).hits
    assert shop.call(lambda: client.client_id()) != before
