"""A peer that is down: `wait_down`, the reason, errors, `repr`."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time

import pytest
from mailbox_calls import report_and_take
from occupations import wait_forever
from processes import is_running
from timeouts import LONG

import pytest_peer

SOON = 1.0  # in which calls must learn of a death; twice that on a busy machine


def last_output() -> None:
    print("last word")
    print("last error", file=sys.stderr)
    os.kill(os.getpid(), signal.SIGSEGV)


def exit_by_exception() -> None:
    raise SystemExit(3)


def interrupt() -> None:
    raise KeyboardInterrupt


# Waiting for the end


def test_wait_down_of_a_living_peer_is_a_timeout(peer):
    with pytest.raises(TimeoutError):
        peer.wait_down(0.05)
    with pytest.raises(TimeoutError):
        peer.wait_down(0)


def test_wait_down_that_fails_shows_where_the_peer_is(peer, peer_factory):
    called = peer.submit(report_and_take, "end")
    peer_factory.mailbox("runs").get(LONG)
    with pytest.raises(TimeoutError, match="in take"):
        peer.wait_down(0)
    peer.send("end", None)
    called.result(LONG)


def test_wait_down_returns_the_reason(mortal):
    mortal.cast(os._exit, 3)
    assert mortal.wait_down(LONG) == mortal.down_reason


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
def test_unasked_exit(mortal, status):
    mortal.cast(os._exit, status)
    reason = mortal.wait_down(LONG)
    assert (reason.kind, reason.exit_status, reason.signal) == ("exited", status, None)
    assert str(status) in str(reason)


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGABRT, signal.SIGTERM])
def test_unasked_signal(mortal, number):
    mortal.cast(signal.raise_signal, number)
    reason = mortal.wait_down(LONG)
    assert (reason.kind, reason.exit_status, reason.signal) == ("signaled", None, number)
    assert number.name in str(reason)


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="macOS: no real-time signals")
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_unasked_real_time_signal(peer_factory, start_method):
    mortal = peer_factory(peer_down="continue", start_method=start_method)
    number = signal.SIGRTMIN + 6
    mortal.cast(signal.raise_signal, number)
    reason = mortal.wait_down(LONG)
    assert (reason.kind, reason.signal, reason.exit_status) == ("signaled", number, None)
    assert str(reason) == f"killed by signal {number}"
    manifest = json.loads((mortal.artifacts / "manifest.json").read_text())
    assert manifest["signal"] == f"signal {number}"


@pytest.mark.skipif(not hasattr(signal, "SIGRTMIN"), reason="macOS: no real-time signals")
def test_real_time_signal_sent_by_the_handle_is_an_asked_death(peer_factory):
    peer = peer_factory(peer_down="crash")
    peer.kill(signal.SIGRTMIN + 6)
    assert peer.wait_down(LONG).signal == signal.SIGRTMIN + 6


def test_signal_from_outside(mortal):
    os.kill(mortal.pid, signal.SIGKILL)
    reason = mortal.wait_down(LONG)
    assert (reason.kind, reason.signal) == ("signaled", signal.SIGKILL)


def test_lost_link(mortal):
    mortal.cast(os.closerange, 3, 256)
    assert mortal.wait_down(LONG).kind == "link lost"
    assert not is_running(mortal.pid)


@pytest.mark.parametrize(
    ("function", "exception"),
    [(exit_by_exception, SystemExit), (interrupt, pytest_peer.PeerInterrupted)],
)
def test_system_exit_in_a_call_is_raised_and_the_peer_lives(peer, function, exception):
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
            answer.result(LONG)
        assert caught.value.reason == mortal.down_reason
    assert time.monotonic() - began < 2 * SOON


def test_later_calls_learn_of_a_death(mortal):
    mortal.cast(os._exit, 3)
    mortal.wait_down(LONG)
    with pytest.raises(pytest_peer.PeerDown, match="exited with status 3") as caught:
        mortal.call(os.getpid)
    assert caught.value.reason == mortal.down_reason


def test_cast_and_send_learn_of_a_death(mortal):
    mortal.cast(os._exit, 3)
    mortal.wait_down(LONG)
    with pytest.raises(pytest_peer.PeerDown):
        mortal.cast(os.getpid)
    with pytest.raises(pytest_peer.PeerDown):
        mortal.send("mailbox", "message")


def test_last_words_survive_a_crash(mortal):
    with pytest.raises(pytest_peer.PeerDown, match="SIGSEGV"):
        mortal.call(last_output)
    assert mortal.stdout.text == "last word\n"
    assert mortal.stderr.lines[0] == "last error"


def test_error_quotes_the_last_words(mortal):
    with pytest.raises(pytest_peer.PeerDown, match="last error"):
        mortal.call(last_output)


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
    mortal.wait_down(LONG)
    expected = rf"<Peer mortal pid {mortal.pid}: killed by SIGSEGV after \d+\.\d s>"
    assert re.fullmatch(expected, repr(mortal))


def test_repr_of_a_stopped_peer(peer):
    peer.stop()
    expected = rf"<Peer {re.escape(peer.name)} pid {peer.pid}: stopped.* after \d+\.\d s>"
    assert re.fullmatch(expected, repr(peer))


def test_repr_in_a_forked_child(peer):
    read, write = os.pipe()
    if (child := os.fork()) == 0:
        os.write(write, repr(peer).encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as said:
        expected = rf"<Peer {re.escape(peer.name)} pid {peer.pid}: link lost after \d+\.\d s>"
        assert re.fullmatch(expected, said.read())
    os.waitpid(child, 0)
