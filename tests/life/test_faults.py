"""Faults on purpose, and what a handle tells of a peer that is down."""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time

import psutil
import pytest
from processes import assert_gone
from processes import is_running
from processes import start_child_and_grandchild

import pytest_peer
from pytest_peer import eventually

LIMIT = 20.0  # seconds, of what must come
SOON = 1.0  # in which calls must learn of a death; twice that on a busy machine

state_of_module: list[str] = []


def print_on_sigusr1() -> None:
    signal.signal(signal.SIGUSR1, lambda *_: print("got SIGUSR1"))


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def wait_forever() -> None:
    print("waiting")
    threading.Event().wait()


def remember(word: str) -> list[str]:
    state_of_module.append(word)
    return state_of_module


def last_words() -> None:
    print("last word")
    print("last error", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGSEGV)


def exit_by_exception() -> None:
    raise SystemExit(3)


def interrupt() -> None:
    raise KeyboardInterrupt


@pytest.fixture
def mortal(peer_factory) -> pytest_peer.Peer:
    """A peer whose death is nobody's fault."""
    return peer_factory(name="mortal", peer_down="continue")


@pytest.fixture
def pausable(peer_factory) -> pytest_peer.Peer:
    """A peer that may be left paused: its end does not take long."""
    return peer_factory(shutdown=0.1)


# pause and resume


def test_paused_peer_does_not_answer(pausable):
    pausable.pause()
    with pytest.raises(pytest_peer.CallTimeout, match="no stacks"):
        pausable.call_within(0.1, os.getpid)


def test_resumed_peer_goes_on(pausable):
    pausable.pause()
    answer = pausable.submit(os.getpid)
    pausable.resume()
    assert answer.result(LIMIT) == pausable.pid


def test_resumed_peer_answers_later_calls_after_one_that_timed_out(pausable):
    pausable.pause()
    with pytest.raises(pytest_peer.CallTimeout):
        pausable.call_within(0.1, os.getpid)
    pausable.resume()
    assert pausable.call(os.getppid) == os.getpid()


def test_paused_peer_is_running(pausable):
    pausable.pause()
    assert pausable.state == "running"


def test_pause_returns_when_the_peer_has_stopped(pausable):
    pausable.pause()
    assert psutil.Process(pausable.pid).status() == psutil.STATUS_STOPPED


def test_pause_stops_the_descendants_too(pausable):
    pids = pausable.call(start_child_and_grandchild)
    pausable.pause()

    def all_stopped() -> bool:
        return {psutil.Process(pid).status() for pid in pids} == {psutil.STATUS_STOPPED}

    eventually(all_stopped)


def test_pause_of_a_paused_peer_does_nothing(pausable):
    pausable.pause()
    pausable.pause()
    pausable.resume()
    assert pausable.call(os.getpid) == pausable.pid


def test_resume_of_a_peer_that_is_not_paused_does_nothing(peer):
    peer.resume()
    assert peer.call(os.getpid) == peer.pid


@pytest.mark.parametrize("fault", ["pause", "resume", "kill"])
def test_fault_of_a_peer_that_is_down_does_nothing(peer, fault):
    peer.stop()
    getattr(peer, fault)()
    assert peer.down_reason.kind == "stopped"


def test_paused_peer_can_be_killed(pausable):
    pausable.pause()
    pausable.kill()
    assert not is_running(pausable.pid)


# kill


def test_kill_returns_when_the_peer_is_gone(peer):
    peer.kill()
    assert not is_running(peer.pid)
    assert peer.state == "down"
    assert peer.down_reason.signal is signal.SIGKILL
    assert peer.down_reason.exit_status is None


def test_kill_with_another_signal_is_what_the_peer_dies_of(peer):
    peer.kill(signal.SIGTERM)
    assert peer.wait_down(LIMIT).signal is signal.SIGTERM


def test_kill_with_another_signal_returns_when_it_is_sent(peer):
    peer.call(ignore_sigterm)
    peer.kill(signal.SIGTERM)
    assert peer.call(os.getpid) == peer.pid


def test_kill_with_a_signal_that_the_peer_handles_runs_its_handler(peer):
    peer.call(print_on_sigusr1)
    peer.kill(signal.SIGUSR1)
    peer.stdout.wait_for("got SIGUSR1")
    assert peer.call(os.getpid) == peer.pid


def test_signal_reaches_a_function_that_runs_in_the_peer(peer):
    peer.call(print_on_sigusr1)
    peer.cast(wait_forever)
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


# restart


def test_restart_returns_the_same_handle_with_a_new_process(peer):
    old = peer.pid
    assert peer.restart() is peer
    assert peer.call(os.getpid) == peer.pid != old
    assert not is_running(old)
    assert peer.state == "running"


def test_restart_keeps_name_and_options(peer_factory):
    peer = peer_factory(name="db", env={"A": "1"})
    peer.restart()
    assert peer.name == "db"
    assert peer.call(os.getenv, "A") == "1"


def test_restart_takes_changes(peer_factory):
    peer = peer_factory(env={"A": "1"})
    peer.restart(env={"A": "2"})
    assert peer.call(os.getenv, "A") == "2"


def test_restart_keeps_the_changes_of_an_earlier_one(peer):
    peer.restart(env={"A": "2"})
    peer.restart()
    assert peer.call(os.getenv, "A") == "2"


@pytest.mark.parametrize("change", [{"cwd": "/no/such/directory"}, {"colour": "red"}])
def test_restart_with_a_bad_change_leaves_the_peer_alone(peer, change):
    old = peer.pid
    with pytest.raises((TypeError, ValueError), match=next(iter(change))):
        peer.restart(**change)
    assert peer.call(os.getpid) == old


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restart_after(peer, end):
    getattr(peer, end)()
    peer.restart()
    assert peer.call(os.getpid) == peer.pid
    assert peer.down_reason is None


def test_restart_after_an_unasked_death(mortal):
    mortal.cast(os._exit, 3)
    mortal.wait_down(LIMIT)
    mortal.restart()
    assert mortal.call(os.getpid) == mortal.pid
    assert mortal.down_reason is None


def test_restart_of_a_paused_peer(peer_factory):
    peer = peer_factory(shutdown=0.2)
    peer.pause()
    peer.restart()
    assert peer.call(os.getpid) == peer.pid


def test_restart_while_booting(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    peer.restart(exec=sys.executable, wait_boot=LIMIT)
    assert peer.call(os.getpid) == peer.pid


def test_restart_that_fails_leaves_the_peer_down(peer):
    with pytest.raises(pytest_peer.BootError):
        peer.restart(args=["--no-such-option"])
    assert peer.state == "down"
    assert peer.down_reason.kind == "boot failed"


def test_restart_with_a_missing_program_leaves_the_peer_down(peer):
    with pytest.raises(pytest_peer.ExecNotFound):
        peer.restart(exec="no-such-program-anywhere")
    assert peer.state == "down"


def test_restart_may_be_tried_again_after_it_failed(peer):
    with pytest.raises(pytest_peer.BootError):
        peer.restart(args=["--no-such-option"])
    peer.restart(args=[])
    assert peer.call(os.getpid) == peer.pid


def test_restart_loses_the_state_of_modules(peer):
    assert peer.call(remember, "one") == ["one"]
    assert peer.call(remember, "two") == ["one", "two"]
    peer.restart()
    assert peer.call(remember, "three") == ["three"]


def test_restart_begins_the_output_anew(peer):
    peer.call(print, "before")
    peer.restart()
    peer.call(print, "after")
    assert peer.stdout.text == "after\n"


def test_restart_begins_numbered_artifacts(peer):
    first = peer.artifacts
    peer.restart()
    second = peer.artifacts
    peer.restart()
    assert second == first.with_name(f"{first.name}.2")
    assert peer.artifacts == first.with_name(f"{first.name}.3")
    assert all((path / "manifest.json").exists() for path in (first, second, peer.artifacts))


def test_restart_keeps_a_member_of_its_group(peer_factory):
    group = peer_factory.many(2)
    group[1].kill()
    group[1].restart()
    assert group.call(os.getpid) == [peer.pid for peer in group]


def test_call_pending_at_a_restart_fails(peer):
    answer = peer.submit(wait_forever)
    peer.restart()
    with pytest.raises(pytest_peer.PeerDown):
        answer.result(LIMIT)


def test_restarted_peer_ends_with_its_factory(pytester):
    pytester.makepyfile(
        """
        def test_restart(peer):
            peer.restart()
            print("pid", peer.pid)
        """
    )
    result = pytester.runpytest_subprocess("-s")
    result.assert_outcomes(passed=1)
    (pid,) = re.findall(r"pid (\d+)", result.stdout.str())
    assert_gone([int(pid)], within=0)


# Waiting for the end


def test_wait_down_of_a_living_peer_is_a_timeout(peer):
    with pytest.raises(TimeoutError):
        peer.wait_down(0.05)
    with pytest.raises(TimeoutError):
        peer.wait_down(0)


def test_wait_down_returns_the_reason(mortal):
    mortal.cast(os._exit, 3)
    assert mortal.wait_down(LIMIT) == mortal.down_reason


def test_wait_down_of_a_dead_peer_returns_at_once(peer):
    peer.stop()
    assert peer.wait_down(0).kind == "stopped"


@pytest.mark.parametrize("timeout", [-1, float("nan")])
def test_wait_down_refuses_a_limit_that_is_none(peer, timeout):
    with pytest.raises(ValueError, match="timeout"):
        peer.wait_down(timeout)


# Reasons


def test_living_peer_has_no_reason(peer):
    assert peer.down_reason is None


@pytest.mark.parametrize("status", [0, 3, 255])
def test_exit_nobody_asked_for(mortal, status):
    mortal.cast(os._exit, status)
    reason = mortal.wait_down(LIMIT)
    assert (reason.kind, reason.exit_status, reason.signal) == ("exited", status, None)
    assert str(status) in str(reason)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT, signal.SIGTERM])
def test_signal_nobody_asked_for(mortal, number):
    mortal.cast(signal.raise_signal, number)
    reason = mortal.wait_down(LIMIT)
    assert (reason.kind, reason.exit_status, reason.signal) == ("signaled", None, number)
    assert number.name in str(reason)


def test_signal_from_outside(mortal):
    os.kill(mortal.pid, signal.SIGKILL)
    reason = mortal.wait_down(LIMIT)
    assert (reason.kind, reason.signal) == ("signaled", signal.SIGKILL)


def test_lost_link(mortal):
    mortal.cast(os.closerange, 3, 256)
    assert mortal.wait_down(LIMIT).kind == "link lost"
    assert not is_running(mortal.pid)


@pytest.mark.parametrize(
    ("function", "exception"), [(exit_by_exception, SystemExit), (interrupt, KeyboardInterrupt)]
)
def test_exception_that_ends_programs_is_the_calls_and_the_peer_lives(peer, function, exception):
    with pytest.raises(exception):
        peer.call(function)
    assert peer.call(os.getpid) == peer.pid


def close_stderr() -> None:
    sys.stderr.close()


def test_failing_cast_of_a_peer_without_stderr_does_not_end_it(peer):
    peer.call(close_stderr)
    peer.cast(exit_by_exception)
    assert peer.call(os.getpid) == peer.pid


# Who learns of it


def test_pending_calls_learn_of_a_death_soon(mortal):
    answers = [mortal.submit(wait_forever) for _ in range(3)]
    os.kill(mortal.pid, signal.SIGKILL)
    began = time.monotonic()
    for answer in answers:
        with pytest.raises(pytest_peer.PeerDown) as caught:
            answer.result(LIMIT)
        assert caught.value.reason == mortal.down_reason
    assert time.monotonic() - began < 2 * SOON


def test_later_calls_learn_of_a_death(mortal):
    mortal.cast(os._exit, 3)
    mortal.wait_down(LIMIT)
    with pytest.raises(pytest_peer.PeerDown, match="exited with status 3") as caught:
        mortal.call(os.getpid)
    assert caught.value.reason == mortal.down_reason


def test_cast_and_send_learn_of_a_death(mortal):
    mortal.cast(os._exit, 3)
    mortal.wait_down(LIMIT)
    with pytest.raises(pytest_peer.PeerDown):
        mortal.cast(os.getpid)
    with pytest.raises(pytest_peer.PeerDown):
        mortal.send("mailbox", "message")


def test_last_words_survive_a_crash(mortal):
    with pytest.raises(pytest_peer.PeerDown, match="SIGSEGV"):
        mortal.call(last_words)
    assert mortal.stdout.text == "last word\n"
    assert mortal.stderr.lines[0] == "last error"


def test_error_quotes_the_last_words(mortal):
    with pytest.raises(pytest_peer.PeerDown, match="last error"):
        mortal.call(last_words)


# What the handle says


def test_state_compares_with_strings(peer):
    assert peer.state == "running"
    assert f"{peer.state}" == "running"
    peer.stop()
    assert peer.state == "down"


def test_repr_of_a_running_peer(peer):
    assert repr(peer) == f"<Peer {peer.name} pid {peer.pid}: running>"


def test_repr_of_a_booting_peer(peer_factory, gate):
    peer = peer_factory(name="db", exec=gate.launcher(), wait_boot=False)
    assert re.fullmatch(r"<Peer db\b.*: booting>", repr(peer))


def test_repr_of_a_crashed_peer(mortal):
    mortal.cast(signal.raise_signal, signal.SIGSEGV)
    mortal.wait_down(LIMIT)
    expected = rf"<Peer mortal pid {mortal.pid}: killed by SIGSEGV after \d+\.\d s>"
    assert re.fullmatch(expected, repr(mortal))


def test_repr_of_a_stopped_peer(peer):
    peer.stop()
    expected = rf"<Peer {re.escape(peer.name)} pid {peer.pid}: stopped.* after \d+\.\d s>"
    assert re.fullmatch(expected, repr(peer))
