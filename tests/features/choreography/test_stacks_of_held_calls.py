"""Where a held call is, its stacks say: at the function that is held, and nowhere in C."""

from __future__ import annotations

import sys
from typing import Any

import held_store
import pytest
from occupations import hold_the_gil
from pythons import NEWEST
from timeouts import LONG

from pytest_peer import Blocked, CallTimeout, Peer

FILE = held_store.__file__


@pytest.fixture(scope="module", params=["this", "3.8", NEWEST])
def old(request: Any, module_peer_factory: Any, requires_python: Any) -> Peer:
    """A peer of each version."""
    exec_ = {} if request.param == "this" else {"exec": requires_python(request.param)}
    peer: Peer = module_peer_factory(**exec_)
    return peer


def line_of(fn: Any) -> int:
    line: int = fn.__code__.co_firstlineno
    return line


def held(peer: Peer, target: str, caller: str, at: str) -> tuple[Blocked, str]:
    """Return what a held call waits for, and the stacks of the peer then."""
    with peer.hold_at(target, at=at) as point:
        future = peer.submit(caller, 1)
        point.wait(LONG)
        blocked = future.wait_blocked(LONG)
        with pytest.raises(CallTimeout) as caught:
            future.result(0)
        point.release()
        future.result(LONG)
    return blocked, caught.value.stacks


@pytest.mark.parametrize("at", ["entry", "return"])
def test_held_call_is_in_its_function(old: Peer, at: str) -> None:
    line = line_of(held_store.double)
    blocked, stacks = held(old, "held_store:double", "held_store:double", at)
    assert f'File "{FILE}", line {line}, in double\n    def double(' in stacks
    assert "written in C" not in stacks
    assert f"line {line}, in double" in blocked.stack


@pytest.mark.parametrize("at", ["entry", "return"])
def test_held_coroutine_is_a_task_in_its_function(old: Peer, at: str) -> None:
    line = line_of(held_store.triple)
    blocked, stacks = held(old, "held_store:triple", "held_store:triple", at)
    assert f'File "{FILE}", line {line}, in triple\n    async def triple(' in stacks
    assert "blocked on held held_store:triple (most recent call last)" in stacks
    assert f"line {line}, in triple" in blocked.stack


def test_caller_of_a_held_call_is_above_it(old: Peer) -> None:
    _, stacks = held(old, "held_store:numbers", "held_store:drained", "entry")
    functions = [each.rpartition(" ")[2] for each in stacks.splitlines() if " File " in each]
    assert functions == ["drained", "numbers"]


def test_function_that_runs_behind_its_point_is_there_once(old: Peer) -> None:
    with old.hold_at("held_store:through_bound", nth=2, required=False):
        _, stacks = held(old, "held_store:Store.commit", "held_store:through_bound", "entry")
    functions = [each.rpartition(" ")[2] for each in stacks.splitlines() if " File " in each]
    assert functions == ["through_bound", "commit"]


@pytest.mark.skipif(sys.platform != "linux", reason="of dumps by a signal")
def test_held_call_is_one_in_a_dump_by_the_interpreter_too(peer: Peer) -> None:
    with peer.hold_at("held_store:double") as point:
        peer.cast("held_store:double", 1)
        point.wait(LONG)
        peer.cast(hold_the_gil)
        peer.stdout.wait_for("holding", LONG)
        stacks = peer.dump_stacks()
        peer.kill()
    assert "  held at a point of double\n" in stacks
    assert "written in C" not in stacks
