"""A signal handler raises at any step of an action: what was begun is undone, or another thread finishes it.

A signal hardly ever meets such a moment, so each test goes through the steps of an action, one after the other. It does so in a
program of its own, which prints what went wrong.
"""

from __future__ import annotations

import os

import pytest

pytestmark = pytest.mark.timeout(150)  # a program has its own limit

IMPORTS = """
import contextlib, json, operator, os, signal, sys, threading, traceback, warnings
import pytest_peer, steps
from pytest_peer import eventually
from steps import Interrupted, sweep
"""

#: Of a peer that an interrupt may have left behind, the name would be in use.
STARTS = """
started = []

def begin():
    started.append(pytest_peer.start(name="db"))
    return True

def free():
    eventually(begin, 10)
    assert started[0].call_within(10, int) == 0

def stop():
    while started:
        started.pop().stop()
"""


def test_interrupted_start_leaves_no_peer(run):
    assert run(IMPORTS, STARTS, "sweep(begin, free, clean=stop)") == ["ok"]


def test_interrupted_first_start_leaves_no_peer(run):
    """The first start of a process starts the fork server and the event loop, too."""
    program = """
    def in_a_fork(function, *arguments):
        child = os.fork()
        if child == 0:
            status = 1
            try:
                function(*arguments)
                status = 0
            except BaseException:
                print("after", *arguments, traceback.format_exc())
            finally:
                sys.stdout.flush()
                os._exit(status)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    def find():
        first = steps.steps_of(begin)
        stop()
        later = steps.steps_of(begin)
        stop()
        with open("steps", "w") as file:
            json.dump([step for step in first if step not in later], file)

    def interrupt(step):
        try:
            with steps.at(step, do=steps.interrupt):
                begin()
        except Interrupted:
            pass
        free()
        stop()

    os.chdir(os.environ["TMPDIR"])
    in_a_fork(find)
    with open("steps") as file:
        found = json.load(file)
    print(len(found) > 10, *{in_a_fork(interrupt, steps.Step(*step)) for step in found})
    """
    assert run(IMPORTS, STARTS, program) == ["True 0"]


def test_interrupted_expectation_excuses_no_death(run):
    program = """
    def start():
        global peer
        peer = pytest_peer.start()

    def expect():
        global expectation
        expectation = peer.expect_death()
        expectation.__enter__()

    def warned():
        os.kill(peer.pid, signal.SIGKILL)
        peer.wait_down(20)
        with warnings.catch_warnings(record=True) as caught:
            pytest_peer.start().stop()
        assert "SIGKILL" in str(caught[0].message)

    def end():
        global expectation
        expectation = None
        peer.stop()

    sweep(expect, warned, prepare=start, clean=end)
    """
    assert run(IMPORTS, program) == ["ok"]


def test_interrupted_wait_leaves_the_link_usable(run):
    """And it raises the interrupt, not an error of a lock."""
    program = """
    peer = pytest_peer.start()

    def begin():
        global future
        future = peer.submit(operator.add, 1, 2)

    def again():
        assert future.result(20) == 3
        assert peer.call_within(20, operator.add, 1, 2) == 3

    sweep(lambda: future.result(20), again, prepare=begin)
    """
    assert run(IMPORTS, program) == ["ok"]


def test_shutdown_does_not_wait_for_an_interrupted_submit(run):
    program = """
    peer = pytest_peer.start()
    sweep(lambda: peer.submit(operator.add, 1, 2))
    peer.shutdown()
    print(peer.state)
    """
    assert run(IMPORTS, program) == ["ok", "down"]


def test_interrupted_stop_may_be_repeated(run):
    """A peer that was neither told to stop nor killed would run on: `shutdown=None` waits for ever."""
    program = """
    def start():
        global peer
        peer = pytest_peer.start(shutdown=None)

    def stopped():
        peer.stop()
        assert peer.state == "down"

    sweep(lambda: peer.stop(), stopped, prepare=start)
    """
    assert run(IMPORTS, program) == ["ok"]


#: Interrupts come while a fork server imports something: one in the wait for the boot, or another one in the kill after it, too.
NOT_YET = """
import os, sys
import pytest_peer, pytest_peer.peers.lifecycle, pytest_peer.launch.forkserver.preload, steps
pytest_peer.peers.lifecycle.KILLED = 0.2  # and not 20
gate, verb, times = sys.argv[1:]
peer = pytest_peer.start(name="db")
if verb == "start":
    peer.stop()
pytest_peer.launch.forkserver.preload.modules[:] = ("slow",)
sys.path.insert(0, os.path.dirname(gate))
act = {"start": lambda: pytest_peer.start(name="db", wait_boot=60), "restart": lambda: peer.restart(wait_boot=60)}
interrupts = [
    steps.named("core.sync:Event.wait", "call"),
    steps.named("peers.lifecycle:PeerInstance.kill", "call"),
]
try:
    with steps.at(*interrupts[:int(times)], do=steps.interrupt):
        act[verb]()
except steps.Interrupted:
    open(gate, "w").close()  # the process comes into being now
peer.stop()
print(pytest_peer.eventually(lambda: pytest_peer.start(name="db"), 10).name)
"""


@pytest.mark.parametrize("verb", ["start", "restart"])
@pytest.mark.parametrize("times", ["1", "2"])
def test_boot_interrupted_before_its_fork_leaves_no_peer(run, tmp_path, verb, times):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    (tmp_path / "slow.py").write_text(f"open({str(gate)!r}).read()")
    assert run(NOT_YET, words=[str(gate), verb, times]) == ["db"]


@pytest.mark.parametrize("verb", ["call", "submit", "cast", "send", "stop"])
def test_message_at_the_moment_of_the_death_raises_it(run, verb):
    program = """
    def start():
        global peer
        peer = pytest_peer.start(peer_down="continue")
        peer.call(operator.add, 1, 2)  # the peer knows all modules now

    def die():
        with contextlib.suppress(ProcessLookupError):  # it has stopped
            os.kill(peer.pid, signal.SIGKILL)
        peer.wait_down(20)
        peer.stop()  # all is told

    def act():
        with contextlib.suppress(pytest_peer.PeerDown):
            verbs[sys.argv[1]]()  # which comes to an end, with the reply or without

    verbs = {
        "call": lambda: peer.call(operator.add, 1, 2),
        "submit": lambda: peer.submit(operator.add, 1, 2).result(20),
        "cast": lambda: peer.cast(operator.add, 1, 2),
        "send": lambda: peer.send("box", 1),
        "stop": lambda: peer.stop(),
    }
    sweep(act, prepare=start, clean=lambda: peer.stop(), do=die, events=["call"])
    """
    assert run(IMPORTS, program, words=[verb]) == ["ok"]


def test_interrupted_wait_down_leaves_the_end_to_others(run):
    """No thread can be started for the end of the peer, so the thread that waits deals with it."""
    program = """
    def end():
        global peer
        threading.stack_size(0)
        peer = pytest_peer.start(name="db", peer_down="continue")
        peer.call(int)
        threading.stack_size(1 << 47)  # no system has that
        os.kill(peer.pid, signal.SIGKILL)

    def down():
        assert peer.wait_down(20).signal is peer.down_reason.signal is signal.SIGKILL
        try:
            peer.call_within(20, int)
        except pytest_peer.PeerDown as exc:
            assert exc.reason.signal is signal.SIGKILL
        else:
            raise AssertionError("no error")

    sweep(lambda: peer.wait_down(20), down, prepare=end, clean=lambda: peer.stop())
    """
    assert run(IMPORTS, program) == ["ok"]
