"""Processes that the test forks do not end its peers, however they end themselves."""

from __future__ import annotations

import ctypes
import faulthandler
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable

import pytest
from timeouts import LONG

METHODS = ["forkserver", "spawn"] if sys.platform == "linux" else ["spawn"]


def fail() -> None:
    raise RuntimeError("nobody catches this")


def segfault() -> None:
    faulthandler.disable()  # pytest's would report it
    ctypes.string_at(0)


def with_fork(end: Callable[[], object]) -> None:
    child = os.fork()
    if child == 0:
        try:
            end()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def with_multiprocessing(end: Callable[[], object]) -> None:
    """It runs its own exit handlers."""
    process = multiprocessing.get_context("fork").Process(target=end)
    process.start()
    process.join(LONG)
    assert process.exitcode is not None
    process.close()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("fork", [with_fork, with_multiprocessing])
@pytest.mark.parametrize(
    "end",
    [
        pytest.param(lambda: None, id="return"),
        pytest.param(fail, id="exception"),
        pytest.param(lambda: sys.exit(3), id="sys.exit"),
        pytest.param(lambda: os._exit(3), id="os._exit"),
        pytest.param(lambda: os.kill(os.getpid(), signal.SIGKILL), id="SIGKILL"),
        pytest.param(segfault, id="segfault"),
    ],
)
def test_end_of_a_forked_child_is_not_that_of_peers(peers, method, fork, end):
    peer = peers(method)
    answer = peer.submit(input)
    fork(end)
    peer.stdin.write("still there\n")
    assert answer.result(LONG) == "still there"
    assert peer.call_within(LONG, os.getpid) == peer.pid


@pytest.fixture(scope="module")
def peers(module_peer_factory):
    """A function that returns the peer with a start method."""
    return {method: module_peer_factory(start_method=method) for method in METHODS}.__getitem__
