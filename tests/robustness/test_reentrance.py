"""A signal's handler, or a finalizer, that uses peers in the middle of anything: nobody waits for himself."""

from __future__ import annotations

import pytest

LIMIT = 15.0  # seconds; who waits for himself does so for 20, or for ever

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


@pytest.mark.parametrize("does", ["peer.kill()", "peer.stop()"])
def test_handler_that_ends_a_peer_while_its_end_is_waited_for(run, does):
    program = f"""
with steps.at(("waiting.py", "wait_for", "call"), do=lambda: {does}):
    peer.wait_down()
print(peer.state)
"""
    assert run(HEAD, program) == ["down"]


@pytest.mark.parametrize("does", ["peer.kill()", "peer.stop()", "peer.wait_boot()"])
def test_handler_that_comes_while_the_boot_is_waited_for(run, does):
    program = f"""
second = pytest_peer.start(wait_boot=False)
peer, first = second, peer
with steps.at(("waiting.py", "wait_for", "call"), do=lambda: {does}):
    try:
        second.wait_boot()
    except pytest_peer.BootError:
        pass
print(first.call(operator.add, 1, 2))
"""
    assert run(HEAD, program) == ["3"]


@pytest.mark.parametrize("does", ["peer.kill()", "peer.stop()"])
def test_handler_that_ends_a_peer_while_an_answer_is_waited_for(run, does):
    program = f"""
future = peer.submit(time.sleep, 0.3)
with steps.at(("waiting.py", "add", "return"), do=lambda: {does}):
    try:
        future.result(10)
    except pytest_peer.PeerDown as exc:
        print(exc.reason.kind if "{does}" == "peer.stop()" else exc.reason.signal.name)
"""
    assert run(HEAD, program) == [{"peer.stop()": "stopped", "peer.kill()": "SIGKILL"}[does]]


def test_handler_that_says_something_while_new_modules_are_looked_for(run):
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
def test_finalizer_that_ends_a_peer_on_the_thread_that_hears_of_all_ends(run, does):
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
    if threading.current_thread().name == "pytest-peer-watcher":
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
    assert run(HEAD, program) == ["pytest-peer-watcher exited with status 3"]


#: An end that is not told is waited for so long here, and not 20 s.
SHORT = """
import pytest_peer.peers.lifecycle
pytest_peer.peers.lifecycle.KILLED = 2.0
from steps import at
peer = start(name="db")
peer.call(int)
told_there = []
def handler(): told_there.append(told(peer.kill))
"""


def test_handler_that_kills_while_a_kill_sets_its_time_limit_is_told_that_the_peer_is_not_gone(run):
    """The thread that hears of the end waits for what the handler has interrupted."""
    said = run(
        SHORT,
        """
        with at(("watcher.py", "_started", "call"), do=handler):
            peer.kill()
        print(told_there[0])
        print(peer.wait_down(20))
        print(start().call(int))
        """,
    )
    assert said[0].startswith("PeerDown(")
    assert "is not gone after 2 s" in said[0]
    assert said[-2:] == ["killed by SIGKILL", "0"]
