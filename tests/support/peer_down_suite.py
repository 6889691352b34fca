"""Tests whose peers die; test_tests_of_dead_peers runs them."""

from __future__ import annotations

import os
import socket
import threading
import time

import pytest
from deaths import MOMENTS
from occupations import wait_forever
from peer_down_cases import CRASH_CELLS, STOP_CELLS
from timeouts import LONG

import pytest_peer

METHOD = os.environ["PEER_TESTS_START_METHOD"]


@pytest.mark.parametrize(("way", "moment"), STOP_CELLS)
def test_stop(peer_factory, way, moment):
    peer = peer_factory(start_method=METHOD, peer_down="stop")
    for answer in MOMENTS[moment](peer, way):
        with pytest.raises(pytest_peer.PeerDown):
            answer.result(LONG)
    reason = peer.wait_down(LONG)
    with pytest.raises(pytest_peer.PeerDown) as caught:
        peer.call(os.getpid)
    assert caught.value.reason == reason


def in_sleep(peer) -> None:
    time.sleep(LONG)


def in_a_lock(peer) -> None:
    threading.Event().wait(LONG)


def in_a_socket(peer) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.settimeout(LONG)
        ours.recv(1)


def in_a_call_of_another_peer(peer) -> None:
    with pytest_peer.start() as other:
        other.call_within(LONG, wait_forever)


def over(peer) -> None:
    peer.wait_down(LONG)


@pytest.mark.parametrize(("way", "moment", "blocked"), CRASH_CELLS)
def test_crash(peer_factory, way, moment, blocked):
    peer = peer_factory(start_method=METHOD, peer_down="crash")
    MOMENTS[moment](peer, way)
    globals()[blocked](peer)
