"""Peers are stopped by ``with``, by `shutdown`, and as a group."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest
from occupations import hang_at_exit, pass_gate_and_answer, wait_forever
from processes import assert_gone
from stopping import assert_stopped, taking_less_than
from timeouts import AT_ONCE, LONG

import pytest_peer


def test_with_block_stops_at_its_end():
    with pytest_peer.start() as peer:
        assert peer.call(os.getpid) == peer.pid
    assert_stopped(peer)


def test_with_block_stops_when_it_is_left_by_an_exception():
    with pytest.raises(ZeroDivisionError), pytest_peer.start() as peer:
        raise ZeroDivisionError
    assert_stopped(peer)


def test_with_block_may_stop_the_peer_itself():
    with pytest_peer.start() as peer:
        peer.stop()
    assert_stopped(peer)


def test_shutdown_waits_for_pending_calls(peer_factory, gate):
    peer = peer_factory()
    answer = peer.submit(pass_gate_and_answer, gate.path)
    gate.wait_reached()
    with ThreadPoolExecutor() as pool:
        ending = pool.submit(peer.shutdown)
        gate.open()
        ending.result(LONG)
    assert answer.result(0) == "passed"
    assert_stopped(peer)


def test_shutdown_without_wait_leaves_pending_calls_running(peer_factory):
    peer = peer_factory()
    answer = peer.submit(wait_forever)
    peer.stdout.wait_for("waiting")
    with taking_less_than(AT_ONCE):
        peer.shutdown(wait=False)
    with pytest.raises(pytest_peer.PeerDown):
        answer.result(LONG)


@pytest.mark.parametrize("verb", ["call", "submit", "cast"])
def test_verbs_after_the_end_raise_what_an_executor_promises(peer, verb):
    peer.stop()
    with pytest.raises(RuntimeError) as caught:
        getattr(peer, verb)(os.getpid)
    assert isinstance(caught.value, pytest_peer.PeerDown)
    assert caught.value.reason == peer.down_reason


def test_group_stops_all_at_the_same_time(peer_factory):
    group = peer_factory.many(4, shutdown=("halt", 1.0))
    group.call(hang_at_exit)
    with taking_less_than(3.0):  # not 4
        group.stop()
    assert_gone([peer.pid for peer in group], within=0)
