"""What a test puts into a module is sent, and what it drops there is freed."""

from __future__ import annotations

import os
import sys
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from timeouts import LONG


class Machine:
    """Says in which state it is."""

    state = "new"

    def tell(self) -> str:
        return self.state


machine = Machine()
settings_of = {"colour": "red"}


def replace(name: str, value: Any) -> None:
    globals()[name] = value


# What a test has put there.


def fake_made_by_a_helper() -> Callable[..., str]:
    return lambda *_: "fake"


@pytest.fixture(params=["lambda", "spy", "helper"])
def patched(request, monkeypatch) -> str:
    """Patch this module, and return what the fake returns."""
    module, real = sys.modules[__name__], replace
    if request.param == "spy":
        monkeypatch.setattr(module, "replace", lambda *args: f"fake {real(*args)}")
        return "fake None"
    fake = fake_made_by_a_helper() if request.param == "helper" else lambda *_: "fake"
    monkeypatch.setattr(module, "replace", fake)
    return "fake"


def test_what_a_fixture_has_patched_in_is_sent(peer, patched):
    assert peer.call(replace, "label", 1) == patched
    with ThreadPoolExecutor(1) as threads:
        assert threads.submit(peer.call, replace, "label", 1).result(LONG) == patched


class TestInAClass:
    def test_what_a_method_has_patched_in_is_sent(self, peer, monkeypatch):
        monkeypatch.setattr(sys.modules[__name__], "replace", lambda *_: "fake")
        assert peer.call(replace, "label", 1) == "fake"


def test_an_object_put_in_place_of_another_is_sent(peer, monkeypatch):
    fake = Machine()
    fake.state = "fake"
    monkeypatch.setattr(sys.modules[__name__], "machine", fake)
    assert peer.call(machine.tell) == "fake"
    monkeypatch.setattr(sys.modules[__name__], "settings_of", {"colour": "green"})
    assert peer.call(settings_of.get, "colour") == "green"


def test_an_object_that_a_test_makes_global_is_sent(peer):
    global made_late
    made_late = ["a"]
    assert peer.call(made_late.__len__) == 1


def test_a_function_in_c_with_a_fake_in_its_place_is_sent(peer, monkeypatch):
    real = time.monotonic
    monkeypatch.setattr(time, "monotonic", lambda: 0.0)
    assert peer.call(real) > 0


def test_a_spy_in_another_module_is_sent(peer, monkeypatch):
    def spied(path: str) -> str:
        return "spied " + real(path)

    real = os.path.basename
    monkeypatch.setattr(os.path, "basename", spied)
    assert peer.call(os.path.basename, "/a/b") == "spied b"


# What is kept.


class Freed(list[int]):
    """Can be watched."""


watched: weakref.ref[Freed] | None = None
held_by_the_test: Freed | None = Freed()


def watch(values: Freed) -> int:
    global watched
    watched = weakref.ref(values)
    return len(values)


def make_freed() -> Freed:
    global watched
    made = Freed([1])
    watched = weakref.ref(made)
    return made


def test_arguments_and_results_live_no_longer_than_their_call(peer):
    values = Freed([1])
    alive = weakref.ref(values)
    assert peer.call(watch, values) == 1
    del values
    assert alive() is None
    assert peer.call(lambda: watched and watched()) is None
    assert peer.call(make_freed) == [1]
    peer.call(int)
    assert peer.call(lambda: watched and watched()) is None


def test_what_a_test_drops_from_its_module_is_freed(peer):
    global held_by_the_test
    assert held_by_the_test is not None
    alive = weakref.ref(held_by_the_test)
    held_by_the_test = None
    assert alive() is None
    assert peer.call(lambda: held_by_the_test) == []


def make_machine() -> None:
    global machine
    machine = Machine()
    machine.state = "made in the peer"


def method_of_the_machine() -> Callable[[], str]:
    return machine.tell


def test_a_method_that_a_peer_returns_takes_its_object_along(peer):
    peer.call(make_machine)
    assert peer.call(method_of_the_machine)() == "made in the peer"
