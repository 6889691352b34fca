"""Calls at the end of the stack, and at the end of the interpreter."""

from __future__ import annotations

import operator
import subprocess
import sys
from collections.abc import Callable

import pytest
from processes import assert_gone
from timeouts import LONG

from pytest_peer import EncodeError

#: More frames than a call takes.
FRAMES = 80


def below(frames: int, function: Callable[[], object]) -> object:
    """What the function returns that many frames further down."""
    return function() if frames <= 0 else below(frames - 1, function)


def room() -> int:
    """How many frames there are down to the end of the stack, about."""
    depth, frame = 0, sys._getframe()
    while frame is not None:
        depth, frame = depth + 1, frame.f_back
    return sys.getrecursionlimit() - depth


def test_call_at_the_end_of_the_stack_returns_or_raises(peer):
    def call() -> int:
        return peer.call_within(LONG, operator.add, 1, 2)

    for frames in range(FRAMES):
        try:
            assert below(room() - frames, call) == 3
        except (RecursionError, EncodeError) as exc:
            text = repr(exc)  # an EncodeError quotes it
        else:
            text = "RecursionError, or none"
        assert "RecursionError" in text
        assert call() == 3


SHUTDOWN = """
import sys
import pytest_peer

class Last:
    def __init__(self):
        self.start, self.write = pytest_peer.start, sys.__stdout__.write
    def __del__(self):
        try:
            self.start()
        except Exception as exc:
            self.write(type(exc).__name__ + ": " + str(exc))

with pytest_peer.start() as peer:
    print(peer.pid, flush=True)
sys.modules["last"] = Last()  # these are the last to go
"""


def test_start_while_the_interpreter_ends_is_an_error():
    ended = subprocess.run(
        [sys.executable, "-c", SHUTDOWN], stdout=subprocess.PIPE, timeout=LONG, check=True
    )
    pid, _, told = ended.stdout.decode().partition("\n")
    assert "can't start new thread" in told or "at interpreter shutdown" in told
    assert_gone([int(pid)], within=0)


@pytest.mark.parametrize("stopped", [True, False])
def test_the_end_of_the_interpreter_says_nothing(stopped):
    """Python 3.12 starts no threads any more when the fork server ends."""
    program = f"import pytest_peer; peer = pytest_peer.start(); {stopped} and peer.stop()"
    ended = subprocess.run(
        [sys.executable, "-c", program], stderr=subprocess.PIPE, timeout=LONG, check=True
    )
    assert ended.stderr.decode() == ""
