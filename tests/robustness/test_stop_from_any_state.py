"""`stop` of peers that are down, are being stopped, or do not end by themselves."""

from __future__ import annotations

import atexit
import contextlib
import os
import shutil
import signal
from concurrent.futures import ThreadPoolExecutor

import pytest
from occupations import sleep_in_c, wait_forever
from processes import is_running
from stopping import assert_stopped, taking_less_than
from timeouts import AT_ONCE, LONG

import pytest_peer


def exit_otherwise_at_exit(status: int) -> None:
    atexit.register(os._exit, status)


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


# More than once


@pytest.mark.parametrize("shutdown", ["halt", 5.0, None, "close"])
def test_stop_of_a_stopped_peer_does_nothing(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)
    peer.stop()
    reason = peer.wait_down(LONG)
    peer.stop()
    assert peer.down_reason == reason


@pytest.mark.parametrize("shutdown", ["halt", 5.0, "close"])
def test_stop_of_a_killed_peer_does_nothing(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)
    peer.kill()
    reason = peer.down_reason
    peer.stop()
    assert peer.down_reason == reason


def test_stop_of_a_dead_peer_does_nothing(peer_factory):
    peer = peer_factory(peer_down="continue")
    peer.cast(os._exit, 3)
    peer.wait_down(LONG)
    peer.stop()
    assert peer.down_reason.kind == "exited"
    assert peer.down_reason.exit_status == 3


@pytest.mark.parametrize("shutdown", ["halt", 5.0])
def test_two_threads_that_stop_a_peer_return_when_it_is_gone(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)

    def stop() -> bool:
        peer.stop()
        return is_running(peer.pid)

    with ThreadPoolExecutor(2) as pool:
        stops = [pool.submit(stop) for _ in range(2)]
        assert [each.result(LONG) for each in stops] == [False, False]


def test_kill_does_not_wait_for_a_graceful_stop(peer_factory):
    peer = peer_factory(shutdown=None)
    peer.cast(wait_forever)
    peer.stdout.wait_for("waiting")
    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(peer.stop)
        with taking_less_than(AT_ONCE):
            peer.kill()
        stopping.result(LONG)
    assert not is_running(peer.pid)


# Peers that do not want to


@pytest.mark.parametrize("shutdown", [("halt", 0.3), 0.3])
def test_stop_of_a_paused_peer_kills_it_after_its_time(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)
    peer.pause()
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert_stopped(peer)


def test_close_of_a_paused_peer_is_its_end(peer_factory):
    peer = peer_factory(shutdown="close")
    peer.pause()
    with taking_less_than(1.0):
        peer.stop()
    peer.wait_down(LONG)
    assert not is_running(peer.pid)


def test_stop_of_a_peer_that_ignores_sigterm(peer_factory):
    peer = peer_factory()
    peer.call(ignore_sigterm)
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert_stopped(peer)


@pytest.mark.parametrize("shutdown", [("halt", 0.3), 0.3])
def test_stop_of_a_peer_stuck_in_c_kills_it_after_its_time(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)
    peer.cast(sleep_in_c)
    peer.stdout.wait_for("waiting")
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert_stopped(peer)


def test_death_while_stop_waits_was_asked_for(peer_factory):
    peer = peer_factory(peer_down="crash")
    peer.call(exit_otherwise_at_exit, 7)
    peer.stop()
    assert_stopped(peer)
    assert peer.down_reason.exit_status == 7


def test_stop_when_the_artifacts_have_been_removed(peer):
    shutil.rmtree(peer.artifacts)
    with taking_less_than(5.0):
        peer.stop()
    assert peer.state == "down"
    assert peer.down_reason.exit_status == 0


def test_concurrent_stop_kill_and_restart_all_return(peer_factory):
    peer = peer_factory(peer_down="continue")

    def use(verb: str) -> None:
        for _ in range(20):
            with contextlib.suppress(pytest_peer.PeerError):  # another one was faster
                getattr(peer, verb)()

    with ThreadPoolExecutor() as threads:
        for done in [threads.submit(use, verb) for verb in ("stop", "kill", "restart")]:
            done.result(4 * LONG)
    peer.stop()
    assert peer.restart().call(int) == 0


def test_close_of_a_peer_stuck_in_c_kills_it_after_a_second(peer_factory):
    peer = peer_factory(shutdown="close")
    peer.cast(sleep_in_c)
    peer.stdout.wait_for("waiting")
    with taking_less_than(AT_ONCE):
        peer.stop()
        peer.wait_down(LONG)
    assert not is_running(peer.pid)
