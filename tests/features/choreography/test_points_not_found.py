"""A target that is no Python function is an error before anything runs, which says what is near."""

from __future__ import annotations

import os
import time

import held_store
import pytest
from timeouts import LONG

from pytest_peer import NotAFunction, PeerError, PointNotFound


def refusal(peer, target):
    with pytest.raises(PointNotFound) as caught, peer.hold_at(target):
        pytest.fail("the block has begun")
    assert isinstance(caught.value, (PeerError, LookupError))
    return caught.value


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("held_store:doubles", "there is no 'doubles' in module 'held_store'; the nearest: double"),
        ("held_store:Store.commits", "there is no 'commits' in 'Store'; the nearest: commit"),
        ("held_store:Store.xyz", "its functions: __init__, __repr__, __call__, commit, made, "),
        ("held_stor:double", "there is no module 'held_stor'; the nearest: held_store"),
        ("asyncio.taskz:gather", "there is no module 'asyncio.taskz'; the nearest: tasks"),
        ("held_store:noted.<locals>.wrapper", "made by a call has no name that leads to it"),
    ],
)
def test_name_that_does_not_exist(shared, target, text):
    assert text in str(refusal(shared, target))


@pytest.mark.parametrize(
    ("target", "text"),
    [
        ("time:sleep", "time:sleep is a function written in C"),
        ("builtins:str.join", "builtins:str.join is a function written in C"),
        (os.fsync, "fsync is a function written in C"),
        (time.sleep, "sleep is a function written in C"),
        ("held_store:cached", "around one: 'held_store:cached.__wrapped__'"),
        ("held_store:Store", "is a class, and no function; its instances are made by"),
        ("held_store:STORE", "calls one: 'held_store:STORE.__call__'"),
        ("held_store:KINDS", "is no function, but of type dict"),
    ],
)
def test_what_is_no_python_function_is_for_system_calls(shared, target, text):
    error = refusal(shared, target)
    assert type(error) is NotAFunction
    assert isinstance(error, TypeError)
    assert text in str(error)
    assert "`hold_at_syscall`" in str(error)


def test_function_that_a_refusal_names_can_be_held(shared):
    with shared.hold_at("held_store:cached.__wrapped__") as point:
        held = shared.submit("held_store:cached", 1)
        point.wait(LONG)
        point.release()
        assert held.result(LONG) == 41


def test_function_that_travels_by_value_is_refused(shared):
    with pytest.raises(PointNotFound, match="travels by value, so no call in the peer would come"):
        shared.hold_at(lambda: None)


@pytest.mark.parametrize("target", ["double", ":", "held_store:"])
def test_name_without_a_module_or_function_is_refused(shared, target):
    with pytest.raises(ValueError, match="expected a callable or 'module:qualname'"):
        shared.hold_at(target)


def test_error_of_the_import_is_the_peers_own(shared, tmp_path):
    shared.call("sys:path.append", str(tmp_path))
    (tmp_path / "module_that_fails.py").write_text("import module_that_is_missing")
    with (
        pytest.raises(ModuleNotFoundError, match="module_that_is_missing"),
        shared.hold_at("module_that_fails:work"),
    ):
        pass


@pytest.mark.parametrize(
    "target",
    [
        held_store.Store.commit,
        held_store.Store.made,
        held_store.Store.checked,
        held_store.Store.size,
        held_store.decorated,
        held_store.bound,
    ],
    ids=["commit", "made", "checked", "size", "decorated", "bound"],
)
def test_function_itself_may_be_the_target(shared, target):
    caller = {"made": "made", "checked": "checked", "size": "size", "decorated": "decorated"}
    name = getattr(getattr(target, "fget", target), "__name__")  # noqa: B009
    with shared.hold_at(target) as point:
        held = shared.submit(f"held_store:{caller.get(name, 'through_bound')}", 1)
        point.wait(LONG)
        point.release()
        held.result(LONG)
