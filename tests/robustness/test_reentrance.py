"""A signal handler or finalizer uses peers during an action: no thread waits for itself."""

from __future__ import annotations

import pytest

HEAD = """
import gc, operator, os, signal, sys, threading, time, types
from unittest import mock
import pytest_peer, steps
peer = pytest_peer.start(name="db", peer_down="continue")
peer.call(operator.add, 1, 2)
"""

#: What a handler does, at several steps of what it interrupts.
HANDLED = """
for number in range(0, {most}, {stride}):
    with steps.at_step(number, do=lambda: {handler}):
        try:
            {interrupted}
        except pytest_peer.PeerError:
            pass
    peer.stop()
    print(peer.state)
    peer.restart(wait_boot={wait_boot})
"""
ENDS = ["peer.kill()", "peer.stop()"]


def handled(handler: str, interrupted: str, most: int, stride: int, wait_boot: bool = True) -> str:
    limit = 15.0 if wait_boot else False  # a thread that waits for itself does so for 20
    return HANDLED.format(
        handler=handler, interrupted=interrupted, most=most, stride=stride, wait_boot=limit
    )


@pytest.mark.parametrize("does", ["peer.kill(signal.SIGCONT)", *ENDS])
def test_handler_that_acts_during_kill(run, does):
    assert set(run(HEAD, handled(does, "peer.kill(signal.SIGCONT)", 30, 4))) == {"down"}


@pytest.mark.parametrize("does", ENDS)
def test_handler_that_ends_a_peer_during_cast(run, does):
    assert set(run(HEAD, handled(does, "peer.cast(operator.add, 1, 2)", 30, 3))) == {"down"}


@pytest.mark.parametrize("does", ENDS)
def test_handler_that_ends_a_peer_during_stop(run, does):
    assert set(run(HEAD, handled(does, "peer.stop()", 80, 9))) == {"down"}


@pytest.mark.parametrize("does", ENDS)
def test_handler_that_ends_a_peer_during_restart(run, does):
    assert set(run(HEAD, handled(does, "peer.restart()", 250, 21))) == {"down"}


@pytest.mark.parametrize("does", ENDS)
def test_handler_that_ends_a_peer_during_wait_down(run, does):
    interrupted = "peer.cast(os._exit, 3); peer.wait_down(10)"
    assert set(run(HEAD, handled(does, interrupted, 60, 7))) == {"down"}


@pytest.mark.parametrize("does", [*ENDS, "peer.wait_boot()"])
def test_handler_that_acts_during_wait_boot(run, does):
    assert set(run(HEAD, handled(does, "peer.wait_boot()", 20, 3, wait_boot=False))) == {"down"}


@pytest.mark.parametrize("does", ENDS)
def test_handler_that_ends_a_peer_during_result(run, does):
    interrupted = "peer.submit(time.sleep, 0.1).result(10)"
    assert set(run(HEAD, handled(does, interrupted, 60, 7))) == {"down"}


def test_handler_that_casts_while_new_modules_are_looked_for(run):
    program = """
class Path:
    def __fspath__(self):  # called while modules are looked for
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
with mock.patch("pytest_peer.link.protocol.unpatched.os.read", collecting):
    while not finalized:
        peer.submit(operator.add, 1, 2).result(5)
peer.submit(os._exit, 3)
print(*finalized, peer.wait_down(5))
pytest_peer.eventually(lambda: pytest_peer.start(name="owned").stop(), 5)
"""
    assert run(HEAD, program) == ["pytest-peer-loop exited with status 3"]
