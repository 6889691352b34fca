"""`pause`, `resume` and `kill`."""

from __future__ import annotations

import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from gates import pass_gate
from processes import assert_gone, is_running, start_child_and_grandchild
from stopping import taking_less_than
from timeouts import AT_ONCE, LONG

import pytest_peer
from pytest_peer import eventually


def print_on_sigusr1() -> None:
    signal.signal(
        signal.SIGUSR1, lambda *_: os.write(1, b"got SIGUSR1\n")
    )  # also in the middle of a print


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


# pause and resume


def test_paused_peer_does_not_answer(peer):
    peer.pause()
    with pytest.raises(pytest_peer.CallTimeout, match="no stacks"):
        peer.call_within(0.1, os.getpid)


def test_resumed_peer_goes_on(peer):
    peer.pause()
    answer = peer.submit(os.getpid)
    peer.resume()
    assert answer.result(LONG) == peer.pid


def test_resumed_peer_runs_calls_after_one_that_timed_out(peer):
    peer.pause()
    with pytest.raises(pytest_peer.CallTimeout):
        peer.call_within(0.1, os.getpid)
    peer.resume()
    assert peer.call(os.getpid) == peer.pid


def test_paused_peer_is_running(peer):
    peer.pause()
    assert peer.state == "running"


def test_pause_returns_when_the_peer_has_stopped(peer):
    peer.pause()
    assert psutil.Process(peer.pid).status() == psutil.STATUS_STOPPED


def test_pause_stops_the_descendants_too(peer):
    pids = peer.call(start_child_and_grandchild)
    peer.pause()

    def all_stopped() -> bool:
        return {psutil.Process(pid).status() for pid in pids} == {psutil.STATUS_STOPPED}

    eventually(all_stopped)


def test_pause_of_a_paused_peer_does_nothing(peer):
    peer.pause()
    peer.pause()
    peer.resume()
    assert peer.call(os.getpid) == peer.pid


def test_resume_of_a_peer_that_is_not_paused_does_nothing(peer):
    peer.resume()
    assert peer.call(os.getpid) == peer.pid


@pytest.mark.parametrize("fault", ["pause", "resume", "kill"])
def test_fault_of_a_peer_that_is_down_does_nothing(peer, fault):
    peer.stop()
    getattr(peer, fault)()
    assert peer.down_reason.kind == "stopped"


def test_paused_peer_can_be_killed(peer):
    peer.pause()
    peer.kill()
    assert not is_running(peer.pid)


# The end of a paused peer


@pytest.mark.parametrize("shutdown", ["halt", 60.0, None, "close"])
def test_paused_peer_is_killed_by_stop_at_once(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)
    peer.pause()
    with taking_less_than(AT_ONCE):
        peer.stop()
        reason = peer.wait_down(LONG)
    assert (reason.kind, reason.signal) == ("stopped", signal.SIGKILL)


@pytest.mark.parametrize(
    "launch", [{}, {"start_method": "spawn"}, {"exec": ["env", sys.executable]}]
)
def test_peer_that_others_have_paused_is_killed_by_stop_too(peer_factory, launch):
    peer = peer_factory(shutdown=None, **launch)
    os.kill(peer.pid, signal.SIGSTOP)
    eventually(lambda: "paused" in repr(peer))
    with taking_less_than(AT_ONCE):
        peer.stop()


def test_peer_that_is_paused_while_it_ends_is_killed_by_stop(peer_factory, gate):
    peer = peer_factory(shutdown=None)
    peer.cast(pass_gate, gate.path)
    gate.wait_reached()
    with ThreadPoolExecutor() as pool:
        ending = pool.submit(peer.stop)
        peer.pause()
        peer.stop()
        ending.result(LONG)


def test_resumed_peer_ends_by_its_front_door(peer):
    peer.pause()
    peer.resume()
    peer.stop()
    assert peer.down_reason.exit_status == 0


def test_paused_peer_says_so_until_it_is_resumed(peer):
    assert repr(peer).endswith(": running>")
    peer.pause()
    assert repr(peer).endswith(": paused>")
    peer.resume()
    assert repr(peer).endswith(": running>")
    peer.pause()
    peer.stop()
    assert ": stopped (killed by SIGKILL) after " in repr(peer)


def test_report_says_that_a_peer_is_paused(inner):
    inner.write(
        """
        @pytest.mark.peer(name="db", shutdown=None)
        def test_it(peer):
            peer.pause()
            assert False
        """
    )
    inner.run().stdout.fnmatch_lines(["<Peer db pid *: paused>"])


# kill


def test_kill_returns_when_the_peer_is_gone(peer):
    peer.kill()
    assert not is_running(peer.pid)
    assert peer.state == "down"
    assert peer.down_reason.signal is signal.SIGKILL
    assert peer.down_reason.exit_status is None


def test_kill_with_another_signal_is_what_the_peer_dies_of(peer):
    peer.kill(signal.SIGTERM)
    assert peer.wait_down(LONG).signal is signal.SIGTERM


def test_kill_with_another_signal_returns_when_it_is_sent(peer):
    peer.call(ignore_sigterm)
    peer.kill(signal.SIGTERM)
    assert peer.call(os.getpid) == peer.pid


def test_kill_with_a_handled_signal_runs_the_handler(peer):
    peer.call(print_on_sigusr1)
    peer.kill(signal.SIGUSR1)
    # Wakes the main thread, if the signal came just before it began to wait.
    assert peer.call(os.getpid) == peer.pid
    peer.stdout.wait_for("got SIGUSR1")


def poll_forever() -> None:
    """Wait by short steps: a wait that begins just after a signal keeps its handler waiting."""
    print("waiting")
    while True:
        time.sleep(0.01)


def test_signal_reaches_a_function_that_runs_in_the_peer(peer):
    peer.call(print_on_sigusr1)
    peer.cast(poll_forever)
    peer.stdout.wait_for("waiting")
    peer.kill(signal.SIGUSR1)
    peer.stdout.wait_for("got SIGUSR1")


def test_signal_that_does_not_exist_is_a_value_error(peer):
    with pytest.raises((ValueError, OSError)):
        peer.kill(4711)
    assert peer.call(os.getpid) == peer.pid


def test_group_kills_all(peer_factory):
    group = peer_factory.many(3)
    group.kill()
    assert_gone([peer.pid for peer in group], within=0)


# What such a signal excuses


@pytest.mark.parametrize("number", [signal.SIGHUP, signal.SIGUSR1])
def test_signal_that_the_peer_handles_excuses_no_later_death(tmp_path, number):
    peer = pytest_peer.start(artifacts=tmp_path)
    peer.call(signal.signal, number, signal.SIG_IGN)
    peer.kill(number)
    os.kill(peer.pid, signal.SIGKILL)
    peer.wait_down(LONG)
    with pytest.warns(pytest_peer.PeerDownWarning, match="SIGKILL"):
        pytest_peer.start().stop()


def test_death_by_the_signal_that_was_sent_is_excused(peer_factory):
    peer = peer_factory(peer_down="crash")
    peer.kill(signal.SIGHUP)
    assert peer.wait_down(LONG).signal is signal.SIGHUP


def test_death_below_a_shell_by_a_sent_signal_is_excused(peer_factory):
    """The shell exits with 128 + the signal's number."""
    shell = ["sh", "-c", '"$0" "$@"; exit $?', sys.executable]
    peer = peer_factory(exec=shell, peer_down="crash")
    peer.kill(signal.SIGTERM)
    assert peer.wait_down(LONG).exit_status == 128 + signal.SIGTERM
