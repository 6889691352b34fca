"""An exception of a signal's handler at moments that a signal hardly ever meets: what was begun is known to somebody, or undone."""

from __future__ import annotations

import operator
import os
import signal

import pytest
from steps import Interrupted
from steps import at
from steps import interrupt

import pytest_peer

LIMIT = 20.0  # seconds, of what must come


def test_an_interrupted_expectation_excuses_nothing(tmp_path):
    peer = pytest_peer.start(artifacts=tmp_path)
    with (
        pytest.raises(Interrupted),
        at(("peers/lifecycle.py", "expect", "return"), do=interrupt),
        peer.expect_death(),
    ):
        pass
    os.kill(peer.pid, signal.SIGKILL)
    peer.wait_down(LIMIT)
    with pytest.warns(pytest_peer.PeerDownWarning, match="SIGKILL"):
        pytest_peer.start().stop()


def test_an_interrupted_wait_tells_of_the_interrupt(peer):
    """And not of a lock."""
    future = peer.submit(operator.add, 1, 2)
    with (
        pytest.raises(Interrupted),
        at(("core/sync.py", "discard", "call"), do=interrupt),
    ):
        while True:  # it may be answered before it is waited for
            future.result(LIMIT)
            future = peer.submit(operator.add, 1, 2)


def test_calls_whose_submit_was_interrupted_are_not_waited_for(run):
    program = """
import operator, steps, pytest_peer
peer = pytest_peer.start()
try:
    with steps.at(("link/pending.py", "add", "return"), do=steps.interrupt):
        peer.submit(operator.add, 1, 2)
except steps.Interrupted:
    peer.shutdown()
print(peer.state)
"""
    assert run(program) == ["down"]


def test_a_stop_that_was_interrupted_before_the_peer_was_told_may_be_repeated(run):
    """It may take as long as it likes, so nobody kills it."""
    program = """
import steps, pytest_peer
peer = pytest_peer.start(shutdown=None)
try:
    with steps.at(("link/calls.py", "shut_down", "call"), do=steps.interrupt):
        peer.stop()
except steps.Interrupted:
    peer.stop()
print(peer.down_reason.kind)
"""
    assert run(program) == ["stopped"]


#: A signal comes while a fork server imports something, or two, the second when the first is dealt with.
NOT_YET = """
import os, sys
import pytest_peer, pytest_peer.peers.lifecycle, pytest_peer.launch.forkserver, steps
pytest_peer.peers.lifecycle.KILLED = 0.2  # and not 20
gate, verb, *moments = sys.argv[1:]
peer = pytest_peer.start(name="db")
if verb == "start":
    peer.stop()
pytest_peer.launch.forkserver.preload[:] = ("slow",)
sys.path.insert(0, os.path.dirname(gate))
signals = [("core/sync.py", "wait", "call"), ("peers/lifecycle.py", "kill", "call")][:int(moments[0])]
try:
    with steps.at(*signals, do=steps.interrupt):
        if verb == "start":
            pytest_peer.start(name="db", wait_boot=60)
        else:
            peer.restart(wait_boot=60)
except steps.Interrupted:
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
def test_a_boot_that_is_interrupted_before_there_is_a_process_leaves_none(
    run, tmp_path, verb, times
):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "slow.py").write_text(f"open({str(gate)!r}).read()")
    assert run(NOT_YET, words=[str(gate), verb, times]) == ["True"]


#: Twice: the first start of a process, which also starts what watches and what forks, and one when all that has ended.
STARTS = """
import sys, pytest_peer, steps
for _ in range(2):
    try:
        with steps.at(tuple(sys.argv[1:]), do=steps.interrupt):
            pytest_peer.start(name="db")
    except steps.Interrupted:
        print("interrupted")
    started = []
    def begin():
        started.append(pytest_peer.start(name="db"))
        return True
    pytest_peer.eventually(begin, 10)
    print(started[0].call_within(10, int))
    started[0].stop()
"""


@pytest.mark.parametrize(
    ("file", "function", "moment"),
    [
        ("peers/supervisor.py", "_begin", "call"),
        ("peers/lifecycle.py", "start", "call"),
        ("core/clock.py", "start", "call"),
        ("core/clock.py", "start", "return"),
        ("core/sync.py", "wait_for", "call"),
        ("peers/lifecycle.py", "start", "return"),
        ("core/options.py", "awaits_boot", "call"),
        ("peers/lifecycle.py", "wait_boot", "call"),
        ("peers/lifecycle.py", "wait_boot", "return"),
    ],
)
def test_a_start_that_is_interrupted_leaves_no_peer_and_its_name_free(run, file, function, moment):
    said = run(STARTS, words=[file, function, moment])
    assert said == ["interrupted", "0", "interrupted", "0"]


def test_a_fork_server_whose_start_is_interrupted_is_followed_by_another(run):
    """As when tests are collected."""
    program = """
import os, pytest_peer, pytest_peer.launch.forkserver.registry, steps
from pathlib import Path
try:
    with steps.at(("core/clock.py", "start", "return"), do=steps.interrupt):
        pytest_peer.launch.forkserver.registry.running()
except steps.Interrupted:
    print(pytest_peer.start().call(int))
def servers():
    tasks = Path("/proc/self/task").glob("*/children")
    return [pid for task in tasks for pid in task.read_text().split()]
print(pytest_peer.eventually(lambda: len(servers()) == 1, 10))
"""
    assert run(program) == ["0", "True"]


# A death at such a moment


@pytest.mark.parametrize("say", ["call", "call_within", "submit", "cast", "send", "stop"])
def test_what_is_said_at_the_moment_of_the_death_is_told_of_it(tmp_path, say):
    peer = pytest_peer.start(artifacts=tmp_path, peer_down="continue")
    peer.call(operator.add, 1, 2)  # what it has to know of modules goes before, and need not go now

    def die() -> None:
        os.kill(peer.pid, signal.SIGKILL)
        peer.wait_down(LIMIT)
        peer.stop()  # all is told

    says = {
        "call": lambda: peer.call(operator.add, 1, 2),
        "call_within": lambda: peer.call_within(None, operator.add, 1, 2),
        "submit": lambda: peer.submit(operator.add, 1, 2).result(LIMIT),
        "cast": lambda: peer.cast(operator.add, 1, 2),
        "send": lambda: peer.send("box", 1),
    }
    with at(("link/calls.py", "_post", "call"), do=die):
        if say == "stop":
            peer.stop()
        else:
            with pytest.raises(pytest_peer.PeerDown):
                says[say]()


# No thread for the end of a peer, so that who waits deals with it

ALONE = """
import os, signal, sys, threading
import pytest_peer, steps
peer = pytest_peer.start(name="db", peer_down="continue")
peer.call(int)
threading.stack_size(1 << 47)  # no system has that
os.kill(peer.pid, signal.SIGKILL)
file, function, moment = sys.argv[1:]
try:
    with steps.at((file, function, moment), do=steps.interrupt):
        peer.wait_down(20)
except steps.Interrupted:
    print("interrupted")
print(peer.wait_down(20), peer.down_reason)
try:
    peer.call_within(20, int)
except pytest_peer.PeerDown as exc:
    print(exc.reason)
peer.stop()
threading.stack_size(0)
print(pytest_peer.start(name="db").call(int))
"""


@pytest.mark.parametrize(
    ("file", "function", "moment"),
    [
        ("peers/lifecycle.py", "_finish", "call"),
        ("peers/lifecycle.py", "_finish_without_link", "call"),
        ("peers/record.py", "close", "call"),
        ("launch/process.py", "wait_group_gone", "return"),
        ("peers/record.py", "close", "return"),
        ("peers/record.py", "conclude", "call"),
        ("peers/record.py", "conclude", "return"),
        ("peers/supervisor.py", "_down", "call"),
        ("peers/supervisor.py", "_down", "return"),
        ("link/calls.py", "end", "call"),
        ("link/gateway.py", "close", "call"),
        ("peers/lifecycle.py", "_end", "return"),
    ],
)
def test_an_end_whose_telling_is_interrupted_is_told_by_somebody_else(run, file, function, moment):
    said = run(ALONE, words=[file, function, moment])
    assert said == ["interrupted", "killed by SIGKILL killed by SIGKILL", "killed by SIGKILL", "0"]
