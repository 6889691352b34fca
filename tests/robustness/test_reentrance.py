"""A signal handler or a finalizer uses peers in the middle of an action: no thread waits for itself."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.timeout(150)  # a program has its own limit

HEAD = """
import gc, operator, os, signal, sys, threading, time, types
from unittest import mock
import pytest_peer, steps
peer = pytest_peer.start(name="db", peer_down="continue")
peer.call(operator.add, 1, 2)

def in_the_middle_of(name, handler):
    real, handlers = operator.attrgetter(name)(os), [handler]
    def function(*args):
        done = real(*args)
        if handlers and threading.current_thread() is threading.main_thread():
            handlers.pop()()
        return done
    return mock.patch.object(os, name, function)
"""


@pytest.mark.parametrize("does", ["peer.kill(signal.SIGCONT)", "peer.kill()", "peer.stop()"])
def test_handler_that_comes_while_a_peer_is_signalled(run, does):
    program = f"""
with in_the_middle_of("kill", lambda: {does}):
    peer.kill(signal.SIGCONT)
peer.stop()
print(peer.state)
"""
    assert run(HEAD, program) == ["down"]


@pytest.mark.parametrize("does", ["peer.kill()", "peer.stop()"])
def test_handler_that_ends_a_peer_while_something_is_said_to_it(run, does):
    program = f"""
with in_the_middle_of("write", lambda: {does}):
    peer.cast(operator.add, 1, 2)
print(peer.state)
"""
    assert run(HEAD, program) == ["down"]


#: What a handler does at each step of an action.
AT_EACH_STEP = """
from steps import sweep
peer.stop()

def start(**options):
    global peer
    peer = pytest_peer.start(peer_down="continue", **options)

def down():
    assert peer.state == "down"
"""


@pytest.mark.parametrize("does", ["peer.kill()", "peer.stop()"])
def test_handler_that_ends_a_peer_during_wait_down(run, does):
    program = f"""
start()
def wait():
    try:
        peer.wait_down(0.1)
    except TimeoutError:
        pass  # nothing has ended it yet
sweep(wait, down, prepare=start, do=lambda: {does}, clean=lambda: peer.stop())
"""
    assert run(HEAD, AT_EACH_STEP, program) == ["ok"]


@pytest.mark.parametrize("does", ["peer.kill()", "peer.stop()", "peer.wait_boot()"])
def test_handler_that_acts_during_wait_boot(run, does):
    program = f"""
def boot():
    try:
        peer.wait_boot()
    except pytest_peer.BootError:
        pass

def usable_or_down():
    assert peer.state == "down" or peer.call_within(10, operator.add, 1, 2) == 3

def act():
    try:
        {does}
    except pytest_peer.BootError:
        pass

prepare = lambda: start(wait_boot=False)
sweep(boot, usable_or_down, prepare=prepare, do=act, clean=lambda: peer.stop())
"""
    assert run(HEAD, AT_EACH_STEP, program) == ["ok"]


@pytest.mark.parametrize("does", ["peer.kill()", "peer.stop()"])
def test_handler_that_ends_a_peer_during_a_call(run, does):
    program = f"""
def call():
    try:
        assert peer.call_within(10, operator.add, 1, 2) == 3
    except pytest_peer.PeerDown as exc:
        assert exc.reason.kind in ("stopped", "signaled")

sweep(call, down, prepare=start, do=lambda: {does}, clean=lambda: peer.stop(), events=["call"])
"""
    assert run(HEAD, AT_EACH_STEP, program) == ["ok"]


def test_handler_that_casts_while_new_modules_are_looked_for(run):
    program = """
class Path:
    def __fspath__(self):  # called by who looks
        if handlers:
            handlers.pop()()
        return "/nowhere"

handlers = [lambda: peer.cast(operator.add, 1, 2)]
module = types.ModuleType("package")
module.__path__ = [Path()]
sys.modules["package"] = module
print(peer.call(operator.add, 1, 2))
"""
    assert run(HEAD, program) == ["3"]


@pytest.mark.parametrize("does", ["stop", "kill"])
def test_finalizer_that_ends_a_peer_on_the_event_loop(run, does):
    """The collector comes on any thread."""
    program = f"""
class Owner:
    def __init__(self):
        self.peer, self.itself = pytest_peer.start(name="owned"), self

    def __del__(self):
        self.peer.{does}()
        finalized.append(threading.current_thread().name)

finalized, read = [], os.read

def collecting(*args):
    if threading.current_thread().name == "pytest-peer-loop":
        gc.collect()
    return read(*args)

gc.disable()
Owner()
with mock.patch("os.read", collecting):
    while not finalized:
        peer.submit(operator.add, 1, 2).result(5)
peer.submit(os._exit, 3)
print(*finalized, peer.wait_down(5))
pytest_peer.eventually(lambda: pytest_peer.start(name="owned").stop(), 5)
"""
    assert run(HEAD, program) == ["pytest-peer-loop exited with status 3"]


#: An end that is not told is waited for so long here, and not 20 s.
SHORT = """
import pytest_peer.peers.lifecycle
pytest_peer.peers.lifecycle.KILLED = 2.0
from steps import at, named
peer = start(name="db")
peer.call(int)
told_there = []
def handler(): told_there.append(told(peer.kill))
"""


def test_kill_by_a_handler_in_a_kill_says_the_peer_runs_on(run):
    """The thread that hears of the end waits for what the handler has interrupted."""
    said = run(
        SHORT,
        """
        with at(named("core.loop:EventLoop._started", "call"), do=handler):
            peer.kill()
        print(told_there[0])
        print(peer.wait_down(20))
        print(start().call(int))
        """,
    )
    assert said[0].startswith("PeerDown(")
    assert "is not gone after 2 s" in said[0]
    assert said[-2:] == ["killed by SIGKILL", "0"]
