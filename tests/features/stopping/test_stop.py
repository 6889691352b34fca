"""`stop` with every form of ``shutdown``."""

from __future__ import annotations

import atexit
import multiprocessing
import signal
import sys
import threading
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import pytest
from gates import pass_gate
from occupations import (
    hang_at_exit,
    hold_the_gil,
    pass_gate_and_answer,
    start_executor_job,
    start_thread_that_waits,
    wait_forever,
)
from processes import assert_gone, is_running, start_child_and_grandchild
from stopping import assert_stopped, taking_less_than
from timeouts import AT_ONCE, LONG

import pytest_peer


def note_at_exit(path: Path) -> None:
    atexit.register(path.write_text, "exited")


def print_at_exit(text: str) -> None:
    atexit.register(sys.stdout.write, text)


def start_thread_that_passes(gate: str, note: Path) -> None:
    def work() -> None:
        pass_gate(gate)
        note.write_text("passed")

    threading.Thread(target=work).start()


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


def test_halt_runs_atexit_callbacks_even_during_a_call(peer_factory, tmp_path):
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


pools = []


def open_process_pool(method: str) -> int:
    pools.append(ProcessPoolExecutor(2, multiprocessing.get_context(method)))
    return pools[-1].submit(abs, -3).result(LONG)


def open_multiprocessing_pool(method: str) -> int:
    pools.append(multiprocessing.get_context(method).Pool(2))
    return pools[-1].apply(abs, [-3])


@pytest.mark.parametrize("shutdown", ["halt", LONG])
@pytest.mark.parametrize("method", ["fork", "spawn"])
@pytest.mark.parametrize("open_pool", [open_process_pool, open_multiprocessing_pool])
def test_pool_that_is_left_open_does_not_delay_a_stop(peer_factory, open_pool, method, shutdown):
    peer = peer_factory(shutdown=shutdown)
    assert peer.call(open_pool, method) == 3
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert peer.down_reason.exit_status == 0
    assert "Traceback" not in peer.stderr.text


def test_halt_does_not_wait_for_a_job_of_a_pool_of_threads(peer_factory, tmp_path):
    peer = peer_factory()
    peer.call(start_executor_job)
    peer.call(note_at_exit, tmp_path / "note")
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert (tmp_path / "note").read_text() == "exited"
    assert peer.down_reason.exit_status == 0


def start_processes(method: str) -> list[int]:
    """As a server does for its workers, and a pool with a job."""
    context = multiprocessing.get_context(method)
    worker = context.Process(target=wait_forever)
    worker.start()
    open_process_pool(method)
    pools[-1].submit(wait_forever)
    return [worker.pid, *pools[-1]._processes]


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_halt_does_not_wait_for_processes_of_multiprocessing(peer_factory, tmp_path, method):
    peer = peer_factory()
    pids = peer.call(start_processes, method)
    peer.call(note_at_exit, tmp_path / "note")
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert (tmp_path / "note").read_text() == "exited"
    assert peer.down_reason.exit_status == 0
    assert_gone(pids)


def start_process_that_ignores_sigterm(method: str) -> int:
    context = multiprocessing.get_context(method)
    ignores = context.Event()
    processes.append(context.Process(target=ignore_sigterm, args=[ignores], daemon=True))
    processes[-1].start()
    assert ignores.wait(LONG)
    return processes[-1].pid


processes = []


def ignore_sigterm(ignores) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    ignores.set()
    wait_forever()


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_halt_waits_a_moment_for_a_process_that_ignores_sigterm(peer_factory, tmp_path, method):
    peer = peer_factory(shutdown=("halt", LONG))
    pid = peer.call(start_process_that_ignores_sigterm, method)
    peer.call(note_at_exit, tmp_path / "note")
    with taking_less_than(LONG / 2):
        peer.stop()
    assert (tmp_path / "note").read_text() == "exited"
    assert peer.down_reason.exit_status == 0
    assert_gone([pid])


def test_halt_kills_after_its_time_when_an_atexit_callback_hangs(peer_factory):
    peer = peer_factory(shutdown=("halt", 0.3))
    peer.call(hang_at_exit)
    with taking_less_than(AT_ONCE):
        peer.stop()
    assert_stopped(peer)
    assert peer.down_reason.signal == signal.SIGKILL
    assert peer.down_reason.exit_status is None


# A number, and None: what runs may finish


@pytest.mark.parametrize("shutdown", [LONG, None])
def test_graceful_stop_lets_a_running_call_finish(peer_factory, gate, shutdown):
    peer = peer_factory(shutdown=shutdown)
    answer = peer.submit(pass_gate_and_answer, gate.path)
    gate.wait_reached()
    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(peer.stop)
        assert peer.state == "running"
        gate.open()
        assert answer.result(LONG) == "passed"
        stopping.result(LONG)
    assert_stopped(peer)
    assert peer.down_reason.exit_status == 0


@pytest.mark.parametrize("shutdown", [LONG, None])
def test_graceful_stop_lets_a_thread_finish(peer_factory, gate, tmp_path, shutdown):
    peer = peer_factory(shutdown=shutdown)
    peer.call(start_thread_that_passes, gate.path, tmp_path / "note")
    gate.wait_reached()
    with ThreadPoolExecutor() as pool:
        stopping = pool.submit(peer.stop)
        gate.open()
        stopping.result(LONG)
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
    reason = peer.wait_down(LONG)
    assert reason.kind == "stopped"
    assert not is_running(peer.pid)


@pytest.mark.parametrize("launch", [{}, {"exec": ["env", sys.executable]}, {"connection": 0}])
def test_close_kills_a_peer_that_notices_nothing(peer_factory, launch):
    peer = peer_factory(shutdown="close", **launch)
    peer.cast(hold_the_gil)
    peer.stdout.wait_for("holding")
    with taking_less_than(AT_ONCE):  # after a second, and not after those of "halt"
        peer.stop()
        reason = peer.wait_down(LONG)
    assert (reason.kind, reason.signal) == ("stopped", signal.SIGKILL)


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
        answer.result(LONG)
