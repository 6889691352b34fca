"""Stopping: every form of ``shutdown``, from every state, and nothing is left."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
from gates import pass_gate
from processes import assert_gone
from processes import is_running
from processes import start_child_and_grandchild

import pytest_peer

AT_ONCE = 3.0  # seconds, where a peer told to halt would be killed after 5
LIMIT = 20.0  # of what must come


# What peers do


def note_at_exit(path: Path) -> None:
    atexit.register(path.write_text, "exited")


def print_at_exit(text: str) -> None:
    atexit.register(sys.stdout.write, text)


def hang_at_exit() -> None:
    atexit.register(threading.Event().wait)


def exit_otherwise_at_exit(status: int) -> None:
    atexit.register(os._exit, status)


def wait_forever() -> None:
    print("waiting")
    threading.Event().wait()


def pass_gate_and_answer(path: str) -> str:
    print("waiting")
    pass_gate(path)
    return "passed"


def start_thread_that_waits() -> None:
    threading.Thread(target=threading.Event().wait).start()


def start_thread_that_passes(gate: str, note: Path) -> None:
    def work() -> None:
        pass_gate(gate)
        note.write_text("passed")

    threading.Thread(target=work).start()


def hold_the_gil() -> None:
    print("waiting")
    ctypes.PyDLL(None).sleep(600)


def ignore_sigterm() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)


def start_daemon() -> int:
    """A process in a session of its own."""
    return subprocess.Popen(["sleep", "600"], start_new_session=True).pid


@contextlib.contextmanager
def taking_less_than(seconds: float):
    began = time.monotonic()
    yield
    assert time.monotonic() - began < seconds


def assert_stopped(peer: pytest_peer.Peer) -> None:
    assert peer.state == "down"
    assert peer.down_reason.kind == "stopped"
    assert not is_running(peer.pid)


# "halt"


@pytest.mark.parametrize("shutdown", ["halt", ("halt", 5.0), 5.0, None])
def test_stop_ends_an_idle_peer_by_its_front_door(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert_stopped(peer)
    assert peer.down_reason.exit_status == 0
    assert peer.down_reason.signal is None


@pytest.mark.parametrize("shutdown", ["halt", ("halt", 5.0), 5.0, None])
def test_stop_runs_atexit_callbacks(peer_factory, tmp_path, shutdown):
    peer = peer_factory(shutdown=shutdown)
    peer.call(note_at_exit, tmp_path / "note")
    peer.stop()
    assert (tmp_path / "note").read_text() == "exited"


@pytest.mark.parametrize("shutdown", ["halt", 5.0])
def test_stop_flushes_what_atexit_callbacks_print(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)
    peer.call(print_at_exit, "no end of line")
    peer.stop()
    assert peer.stdout.text == "no end of line"
    assert (peer.artifacts / "stdout.log").read_text() == "no end of line"


def test_halt_runs_atexit_callbacks_also_while_the_main_thread_is_in_a_call(peer_factory, tmp_path):
    peer = peer_factory()
    peer.call(note_at_exit, tmp_path / "note")
    peer.cast(wait_forever)
    peer.stop()
    assert (tmp_path / "note").read_text() == "exited"


def test_halt_does_not_wait_for_a_running_call(peer_factory):
    peer = peer_factory()
    answer = peer.submit(wait_forever)
    peer.stdout.wait_for("waiting")
    with taking_less_than(AT_ONCE):
        peer.stop()
    with pytest.raises(pytest_peer.PeerDown) as caught:
        answer.result(0)
    assert caught.value.reason == peer.down_reason
    assert caught.value.reason.kind == "stopped"


def test_halt_does_not_wait_for_a_thread(peer_factory):
    peer = peer_factory()
    peer.call(start_thread_that_waits)
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert peer.down_reason.exit_status == 0


def test_halt_kills_after_its_time_when_an_atexit_callback_hangs(peer_factory):
    peer = peer_factory(shutdown=("halt", 0.3))
    peer.call(hang_at_exit)
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert_stopped(peer)
    assert peer.down_reason.signal == signal.SIGKILL
    assert peer.down_reason.exit_status is None


# A number, and None: what runs may finish


@pytest.mark.parametrize("shutdown", [LIMIT, None])
def test_graceful_stop_lets_a_running_call_finish(peer_factory, gate, shutdown):
    peer = peer_factory(shutdown=shutdown)
    answer = peer.submit(pass_gate_and_answer, gate.path)
    gate.wait_reached()
    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(peer.stop)
        assert peer.state == "running"
        gate.open()
        assert answer.result(LIMIT) == "passed"
        stopping.result(LIMIT)
    assert_stopped(peer)
    assert peer.down_reason.exit_status == 0


@pytest.mark.parametrize("shutdown", [LIMIT, None])
def test_graceful_stop_lets_a_thread_finish(peer_factory, gate, tmp_path, shutdown):
    peer = peer_factory(shutdown=shutdown)
    peer.call(start_thread_that_passes, gate.path, tmp_path / "note")
    gate.wait_reached()
    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(peer.stop)
        gate.open()
        stopping.result(LIMIT)
    assert (tmp_path / "note").read_text() == "passed"
    assert peer.down_reason.exit_status == 0


@pytest.mark.parametrize("hindrance", [wait_forever, start_thread_that_waits, hang_at_exit])
def test_graceful_stop_kills_after_its_time(peer_factory, hindrance):
    peer = peer_factory(shutdown=0.3)
    peer.cast(hindrance)
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert_stopped(peer)
    assert peer.down_reason.signal == signal.SIGKILL


def test_stop_of_zero_seconds_kills_at_once(peer_factory):
    peer = peer_factory(shutdown=0)
    peer.cast(wait_forever)
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert_stopped(peer)


# "close"


@pytest.mark.parametrize("occupation", [None, wait_forever, start_thread_that_waits, hang_at_exit])
def test_close_returns_and_the_peer_dies_by_itself(peer_factory, occupation):
    peer = peer_factory(shutdown="close")
    if occupation:
        peer.cast(occupation)
    with taking_less_than(1.0):
        peer.stop()
    reason = peer.wait_down(LIMIT)
    assert reason.kind == "stopped"
    assert not is_running(peer.pid)


def test_close_takes_the_descendants_along(peer_factory):
    peer = peer_factory(shutdown="close")
    pids = peer.call(start_child_and_grandchild)
    peer.stop()
    assert_gone([peer.pid, *pids])


def test_close_fails_a_running_call(peer_factory):
    peer = peer_factory(shutdown="close")
    answer = peer.submit(wait_forever)
    peer.stop()
    with pytest.raises(pytest_peer.PeerDown):
        answer.result(LIMIT)


# More than once


@pytest.mark.parametrize("shutdown", ["halt", 5.0, None, "close"])
def test_stop_of_a_stopped_peer_does_nothing(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)
    peer.stop()
    reason = peer.wait_down(LIMIT)
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
    peer.wait_down(LIMIT)
    peer.stop()
    assert peer.down_reason.kind == "exited"
    assert peer.down_reason.exit_status == 3


@pytest.mark.parametrize("shutdown", ["halt", 5.0])
def test_two_threads_may_stop_a_peer_and_both_return_when_it_is_gone(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)

    def stop() -> bool:
        peer.stop()
        return is_running(peer.pid)

    with ThreadPoolExecutor(2) as pool:
        stops = [pool.submit(stop) for _ in range(2)]
        assert [each.result(LIMIT) for each in stops] == [False, False]


def test_kill_does_not_wait_for_a_graceful_stop(peer_factory):
    peer = peer_factory(shutdown=None)
    peer.cast(wait_forever)
    peer.stdout.wait_for("waiting")
    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(peer.stop)
        with taking_less_than(AT_ONCE):
            peer.kill()
        stopping.result(LIMIT)
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
    peer.wait_down(LIMIT)
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
    peer.cast(hold_the_gil)
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


# Descendants


@pytest.mark.parametrize("shutdown", ["halt", 5.0, None])
def test_descendants_are_gone_when_stop_returns(peer_factory, shutdown):
    peer = peer_factory(shutdown=shutdown)
    pids = peer.call(start_child_and_grandchild)
    peer.stop()
    assert_gone([peer.pid, *pids], within=0)


def test_descendants_are_gone_when_kill_returns(peer_factory):
    peer = peer_factory()
    pids = peer.call(start_child_and_grandchild)
    peer.kill()
    assert_gone([peer.pid, *pids], within=0)


def test_paused_descendants_are_gone_when_stop_returns(peer_factory):
    peer = peer_factory(shutdown=0.3)
    pids = peer.call(start_child_and_grandchild)
    peer.pause()
    peer.stop()
    assert_gone([peer.pid, *pids], within=0)


@pytest.mark.parametrize("end", ["os:_exit", "signal:raise_signal"])
def test_descendants_are_gone_after_a_death(peer_factory, end):
    peer = peer_factory(peer_down="continue")
    pids = peer.call(start_child_and_grandchild)
    peer.cast(end, int(signal.SIGSEGV))
    peer.wait_down(LIMIT)
    peer.stop()
    assert_gone([peer.pid, *pids], within=0)


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_descendant_in_a_session_of_its_own_is_gone_after(peer_factory, end):
    peer = peer_factory()
    daemon = peer.call(start_daemon)
    try:
        getattr(peer, end)()
        assert_gone([daemon], within=0)
    finally:
        with contextlib.suppress(psutil.NoSuchProcess):
            psutil.Process(daemon).kill()


def test_stop_when_the_artifacts_have_been_removed(peer):
    shutil.rmtree(peer.artifacts)
    with taking_less_than(5.0):
        peer.stop()
    assert peer.state == "down"
    assert peer.down_reason.exit_status == 0


# Other ways to stop


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
        ending.result(LIMIT)
    assert answer.result(0) == "passed"
    assert_stopped(peer)


def test_shutdown_without_waiting_does_not_wait_for_pending_calls(peer_factory):
    peer = peer_factory()
    answer = peer.submit(wait_forever)
    peer.stdout.wait_for("waiting")
    with taking_less_than(AT_ONCE):
        peer.shutdown(wait=False)
    with pytest.raises(pytest_peer.PeerDown):
        answer.result(LIMIT)


@pytest.mark.parametrize("verb", ["call", "submit", "cast"])
def test_after_the_end_every_verb_raises_what_an_executor_promises(peer, verb):
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


# What is told of it


def manifest(peer: pytest_peer.Peer) -> dict[str, object]:
    return json.loads((peer.artifacts / "manifest.json").read_text())


def test_manifest_says_that_it_runs(peer):
    assert manifest(peer)["state"] == "running"
    assert manifest(peer)["pid"] == peer.pid
    assert manifest(peer)["ended"] is None


def test_manifest_says_that_it_was_stopped(peer):
    peer.stop()
    told = manifest(peer)
    assert (told["state"], told["kind"], told["exit_status"], told["signal"]) == (
        "down",
        "stopped",
        0,
        None,
    )
    assert told["started"] < told["ended"]


def test_manifest_says_that_it_was_killed(peer):
    peer.kill()
    told = manifest(peer)
    assert (told["state"], told["exit_status"], told["signal"]) == ("down", None, "SIGKILL")


def test_manifest_says_how_it_exited(peer_factory):
    peer = peer_factory(peer_down="continue")
    peer.cast(os._exit, 3)
    peer.wait_down(LIMIT)
    told = manifest(peer)
    assert (told["state"], told["kind"], told["exit_status"]) == ("down", "exited", 3)
