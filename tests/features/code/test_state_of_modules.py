"""Modules in a peer have a state of their own, which lasts from one call to the next."""

from __future__ import annotations

import subprocess
import sys

import pytest
from timeouts import LONG

counted: list[str] = []
total = 0


def count(word: str) -> int:
    counted.append(word)
    return len(counted)


def add(number: int) -> int:
    global total
    total += number
    return total


@pytest.fixture(params=["forkserver", "spawn"])
def peers(request, peer_factory):
    if request.param == "forkserver" and sys.platform != "linux":
        pytest.skip("there are fork servers on Linux only")
    return peer_factory.many(2, start_method=request.param)


def test_each_peer_has_its_own(peers):
    first, second = peers
    assert [first.call(count, "a"), first.call(count, "b"), second.call(count, "c")] == [1, 2, 1]
    assert first.call(add, 3) == second.call(add, 3) == 3
    assert first.call(add, 3) == 6
    assert (counted, total) == ([], 0)


def test_code_by_value_uses_the_one_of_the_peer(peer):
    peer.call(count, "a")
    assert peer.call(lambda: counted) == ["a"]

    def count_twice(word):
        count(word)
        return count(word)

    assert peer.call(count_twice, "b") == 3
    assert peer.call(add, 1) == 1

    def lose():
        global total
        total = 10

    peer.call(lose)
    assert peer.call(lambda: total) == peer.call(add, 0) == 10


def test_classes_are_the_same_class_from_call_to_call(peer):
    class Local:
        pass

    kept = peer.call(lambda: Kept())
    assert type(kept) is Kept
    assert peer.call(isinstance, kept, Kept)
    local = peer.call(Local)
    assert type(local) is Local
    assert peer.call(isinstance, local, Local)


class Kept:
    pass


def test_it_is_not_imported_twice(peer):
    """Neither under another name nor from another file."""
    peer.call(count, "a")
    names = peer.call(modules_of, __file__)
    assert names == modules_of(__file__) == [__name__]


def modules_of(file: str) -> list[str]:
    modules = list(sys.modules.items())
    return [name for name, module in modules if getattr(module, "__file__", None) == file]


def test_restart_begins_anew(peer):
    peer.call(count, "a")
    assert peer.restart().call(count, "a") == 1


def test_closures_travel_where_comparing_bytes_is_an_error():
    program = """
import pytest_peer
def add(x):
    with pytest_peer.start() as peer:
        return peer.call(lambda y: x + y, 3)
assert add(5) == 8
"""
    subprocess.run([sys.executable, "-bb", "-c", program], check=True, timeout=LONG)
