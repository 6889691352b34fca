"""A signal handler raises at any step of our code: what was begun is undone, or known to others."""

from __future__ import annotations

import contextlib
import operator
import os
import signal
import threading
import time

import pytest
from occupations import wait_forever
from steps import Interrupted, at_step
from timeouts import LONG

import pytest_peer


@pytest.mark.parametrize("number", range(0, 140, 2))
def test_interrupted_start_leaves_a_free_name(peer_factory, number):
    """The next test finds the name free, whatever came of this start."""
    try:
        with at_step(number):
            peer_factory(name="interrupted-start")
    except Interrupted:
        pass
    assert peer_factory().call_within(LONG, int) == 0


@pytest.mark.parametrize("number", range(0, 280, 7))
def test_interrupted_restart_may_be_repeated(peer_factory, number):
    peer = peer_factory(name="interrupted-restart")
    try:
        with at_step(number):
            peer.restart()
    except Interrupted:
        pass
    assert peer.restart().call_within(LONG, os.getpid) == peer.pid


@pytest.mark.parametrize("number", range(0, 110, 4))
def test_interrupted_stop_leaves_a_peer_that_can_be_killed(peer_factory, number):
    """Also where the handling of one interrupt is interrupted by another."""
    peer = peer_factory(shutdown=None)
    peer.cast(wait_forever)
    peer.stdout.wait_for("waiting", LONG)
    # Later steps come when a signal has ended the wait.
    came = []

    def handler(*_: object) -> None:
        came.append(True)
        raise Interrupted

    before = signal.signal(signal.SIGUSR1, handler)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    try:
        with pytest.raises(Interrupted), at_step(number):
            peer.stop()
        while not came:
            with contextlib.suppress(Interrupted):
                time.sleep(0.01)
    finally:
        signal.signal(signal.SIGUSR1, before)
    peer.kill()
    assert peer.state == "down"


@pytest.mark.parametrize("number", range(0, 80, 4))
def test_interrupted_kill_may_be_repeated(peer_factory, number):
    peer = peer_factory()
    try:
        with at_step(number):
            peer.kill()
    except Interrupted:
        pass
    peer.kill()
    assert peer.down_reason.signal == signal.SIGKILL


@pytest.mark.parametrize("number", range(0, 60, 5))
def test_interrupted_expectation_excuses_no_death(tmp_path, number):
    peer = pytest_peer.start(artifacts=tmp_path)
    try:
        with at_step(number), peer.expect_death(0):
            pass
    except (Interrupted, TimeoutError):
        pass
    os.kill(peer.pid, signal.SIGKILL)
    peer.wait_down(LONG)
    with pytest.warns(pytest_peer.PeerDownWarning, match="SIGKILL"):
        pytest_peer.start().stop()


@pytest.mark.parametrize("number", range(0, 60, 5))
def test_shutdown_does_not_wait_for_an_interrupted_submit(peer_factory, number):
    peer = peer_factory()
    try:
        with at_step(number):
            peer.submit(operator.add, 1, 2)
    except Interrupted:
        pass
    peer.shutdown()
    assert peer.state == "down"


@pytest.mark.parametrize("number", range(0, 60, 5))
def test_interrupted_wait_for_a_result_may_be_repeated(peer, number):
    future = peer.submit(operator.add, 1, 2)
    try:
        with at_step(number):
            future.result(LONG)
    except Interrupted:
        pass
    assert future.result(LONG) == 3


#: Signals come while a fork server imports something, the second when the first is dealt with.
NOT_YET = """
import os, signal, sys
import pytest_peer, pytest_peer.peers.lifecycle, pytest_peer.launch.forkserver.registry as registry
pytest_peer.peers.lifecycle.KILLED = 0.5  # and not 20
gate, verb, times = sys.argv[1], sys.argv[2], int(sys.argv[3])
peer = pytest_peer.start(name="db")
if verb == "start":
    peer.stop()
registry.preload.modules[:] = ["slow"]
sys.path.insert(0, os.path.dirname(gate))

class Interrupted(BaseException):
    pass

def interrupt(*_):
    global times
    times -= 1
    if times == 0:
        signal.setitimer(signal.ITIMER_REAL, 0)
    raise Interrupted

signal.signal(signal.SIGALRM, interrupt)
signal.setitimer(signal.ITIMER_REAL, 0.3, 0.1)
try:
    if verb == "start":
        pytest_peer.start(name="db", wait_boot=60)
    else:
        peer.restart(wait_boot=60)
except Interrupted:
    open(gate, "w").close()  # the process comes into being now
peer.stop()
started = []

def begin():
    started.append(pytest_peer.start(name="db"))
    return True

print(pytest_peer.eventually(begin, 10))
"""


@pytest.mark.parametrize("verb", ["start", "restart"])
@pytest.mark.parametrize("times", ["1", "2"])
def test_boot_interrupted_before_its_fork_leaves_no_peer(run, tmp_path, verb, times):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "slow.py").write_text(f"open({str(gate)!r}).read()")
    assert run(NOT_YET, words=[str(gate), verb, times]) == ["True"]


@pytest.mark.parametrize("number", ["0", "4", "8", "16", "32"])
def test_fork_server_whose_start_is_interrupted_is_replaced(run, number):
    """As when tests are collected."""
    program = """
import os, sys, pytest_peer, steps
import pytest_peer.launch.forkserver.registry as registry
from pathlib import Path
try:
    with steps.at_step(int(sys.argv[1])):
        registry.running()
except steps.Interrupted:
    pass
print(pytest_peer.start().call(int))
def servers():
    tasks = Path("/proc/self/task").glob("*/children")
    return [pid for task in tasks for pid in task.read_text().split()]
print(pytest_peer.eventually(lambda: len(servers()) == 1, 10))
"""
    assert run(program, words=[number]) == ["0", "True"]


# A death at such a moment


@pytest.mark.parametrize("say", ["call", "call_within", "submit", "cast", "send", "stop"])
@pytest.mark.parametrize("number", [0, 3, 6, 10, 15, 20])
def test_message_at_the_moment_of_the_death_raises_it(peer_factory, say, number):
    peer = peer_factory(peer_down="continue")
    peer.call(operator.add, 1, 2)  # what it must know of modules goes before it, and not now

    def die() -> None:
        os.kill(peer.pid, signal.SIGKILL)
        peer.wait_down(LONG)
        peer.stop()

    says = {
        "call": lambda: peer.call(operator.add, 1, 2),
        "call_within": lambda: peer.call_within(None, operator.add, 1, 2),
        "submit": lambda: peer.submit(operator.add, 1, 2).result(LONG),
        "cast": lambda: peer.cast(operator.add, 1, 2),
        "send": lambda: peer.send("box", 1),
        "stop": peer.stop,
    }
    with at_step(number, do=die) as step:
        try:
            says[say]()
        except pytest_peer.PeerDown:
            assert step.reached
    if step.reached:
        how = "SIGKILL|stopped" if say == "stop" else "SIGKILL"  # it may have ended by itself first
        with pytest.raises(pytest_peer.PeerDown, match=how):
            peer.call(int)
