"""The name of a running peer is in use."""

from __future__ import annotations

import os

import pytest
from timeouts import NO_BOOT_LIMIT

import pytest_peer


def test_name_that_is_alive_is_in_use(peer_factory):
    peer_factory(name="db")
    with pytest.raises(pytest_peer.NameInUse, match="db"):
        peer_factory(name="db")


def test_name_of_a_booting_peer_is_in_use(peer_factory, gate):
    peer_factory(name="db", exec=gate.launcher(), wait_boot=False)
    with pytest.raises(pytest_peer.NameInUse):
        peer_factory(name="db")


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_name_is_free_again_after(peer_factory, end):
    first = peer_factory(name="db")
    getattr(first, end)()
    second = peer_factory(name="db")
    assert second.call(os.getpid) != first.pid


def test_name_is_free_again_after_an_unasked_death(peer_factory):
    first = peer_factory(name="db", peer_down="continue")
    first.cast(os._exit, 1)
    first.wait_down(NO_BOOT_LIMIT)
    assert peer_factory(name="db").call(os.getpid) != first.pid
