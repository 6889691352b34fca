"""What a module holds under a name is the peer's own, though it has another name itself, or none."""

from __future__ import annotations

import datetime
import functools
import multiprocessing
import os
import random
import sys
import threading
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from decorators import counting, guarded
from hypothesis import given, settings
from hypothesis import strategies as st
from timeouts import LONG

from pytest_peer import EncodeError


class Shelf:
    def __init__(self) -> None:
        self.books: list[str] = []
        self.lock = threading.Lock()

    def put(self, book: str) -> int:
        self.books.append(book)
        return len(self.books)

    __secret = put


class TallShelf(Shelf):
    def put(self, _: str) -> int:
        raise AssertionError("the method of the base class was sent")

    def put_as_base(self) -> Callable[[str], int]:
        return super().put


@dataclass(frozen=True)
class Label:
    text: str

    def shout(self) -> str:
        return self.text.upper()


class Counting:
    """A decorator that is a class."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.fn, self.calls = fn, 0

    def __call__(self) -> int:
        self.calls += 1
        return self.calls


class WellKnownCounting(Counting):
    def __init__(self, fn: Callable[..., Any]) -> None:
        super().__init__(fn)
        functools.update_wrapper(self, fn)


class Machine:
    """It holds methods of itself."""

    def __init__(self) -> None:
        self.state = "new"
        self.handlers = {"tell": self.tell}

    def tell(self) -> str:
        return self.state

    def run(self) -> str:
        return self.handlers["tell"]()

    tell_too = lambda self: self.state  # noqa: E731


class Lazy:
    """Says whether something has asked it."""

    asked = False

    def __getattr__(self, name: str) -> Any:
        type(self).asked = True
        raise AttributeError(name)


def locally_counting(fn: Callable[..., Any]) -> Callable[..., int]:
    calls = 0

    def wrapper() -> int:
        nonlocal calls
        calls += 1
        return calls

    return wrapper


def make_class() -> type:
    class Made:
        pass

    return Made


shelf = Shelf()
machine = Machine()
lazy = Lazy()
books: list[str] = []
settings_of = {"colour": "red"}
label = Label("origin")
here = Path(__file__)
began = datetime.datetime.now()
Made = make_class()
ticks = iter(range(10))
tick = lambda: next(ticks)  # noqa: E731


@guarded
def twice(number: int) -> int:
    return 2 * number


@counting
def hit() -> None: ...


@locally_counting
def local_hit() -> None: ...


@Counting
def instance_hit() -> None: ...


@WellKnownCounting
def well_known_hit() -> None: ...


def replace(name: str, value: Any) -> None:
    globals()[name] = value


# Bound methods of what a module holds.


def test_peers_do_not_share_random_numbers(peer_factory):
    first, second = peer_factory.many(2).call(random.getrandbits, 64)
    assert first != second != random.getrandbits(64)


def test_a_seed_is_the_peers(peer):
    peer.call(random.seed, 7)
    drawn = peer.call(random.random)
    peer.call(functools.partial(random.seed, 7))
    assert peer.call(lambda: random.random()) == drawn == random.Random(7).random()


def test_methods_of_the_environment_and_the_path(peer):
    peer.call(os.environ.__setitem__, "FROM_TEST", "1")
    assert peer.call(os.environ.get, "FROM_TEST") == "1"
    peer.call(sys.path.append, "/from/test")
    assert peer.call(lambda: sys.path)[-1] == "/from/test"
    assert "/from/test" not in sys.path


def test_methods_of_objects_of_the_test_module(peer):
    assert [peer.call(shelf.put, "a"), peer.call(shelf.put, "b")] == [1, 2]
    peer.call(books.append, "c")
    peer.call(settings_of.update, colour="blue")
    assert peer.call(lambda: (books, settings_of)) == (["c"], {"colour": "blue"})
    assert (shelf.books, books, settings_of) == ([], [], {"colour": "red"})


def test_methods_of_constants_take_along_their_value(peer):
    peer.call(replace, "label", Label("peer"))
    peer.call(replace, "here", Path("/peer"))
    assert peer.call(label.shout) == "ORIGIN"
    assert peer.call(here.as_posix) == here.as_posix()
    assert peer.call(began.isoformat) == began.isoformat()


def test_methods_of_other_objects_take_them_along(peer):
    words = ["a"]
    assert peer.call(words.__len__) == 1
    assert peer.call(words.append, "b") is None
    assert words == ["a"]


def test_a_method_whose_name_leads_elsewhere_is_itself(peer, monkeypatch):
    tall = TallShelf()
    del tall.lock
    monkeypatch.setattr(sys.modules[__name__], "tall", tall, raising=False)
    assert peer.call(tall.put_as_base(), "a") == 1
    assert peer.call(tall._Shelf__secret, "a") == 1


def test_a_method_under_another_name_is_found(peer):
    peer.call(lambda: machine.__dict__.update(state="of the peer"))
    assert peer.call(machine.tell_too) == peer.call(machine.tell) == "of the peer"


def test_an_object_that_is_sent_along_keeps_its_methods(peer, monkeypatch):
    monkeypatch.setattr(machine, "state", "changed")
    assert peer.call(Machine.run, machine) == "changed"


def test_a_method_of_a_class_that_is_sent_is_itself(peer):
    class Base:
        @classmethod
        def make(cls) -> str:
            return "base " + cls.__name__

    class Derived(Base):
        @classmethod
        def make(cls) -> str:
            return "derived"

    made = super(Derived, Derived).make
    assert peer.call(made) == "base Derived"
    assert peer.call(Derived.make) == "derived"


def test_what_a_module_holds_is_not_asked_for_anything(peer, monkeypatch):
    monkeypatch.setattr(Lazy, "asked", False)  # pytest has, when it looked for tests
    peer.call(books.append, "a")
    assert not lazy.asked


# Callables that have another name than the module's.


def test_a_decorated_function_has_its_state_in_the_peer(peer):
    for fn in (hit, local_hit, instance_hit, well_known_hit, tick):
        first = peer.call(fn)
        assert peer.call(fn) == first + 1


def test_what_a_decorator_keeps_need_not_travel(peer):
    assert peer.call(twice, 4) == 8
    assert peer.call(functools.partial(twice, 4)) == 8


def test_a_class_that_a_function_made_is_the_peers(peer):
    assert peer.call(lambda cls: cls is Made, Made)


@pytest.mark.in_peer
@settings(max_examples=3, deadline=None)
@given(number=st.integers())
def test_given_in_peer(number):
    assert number - number == 0
    assert "PYTEST_XDIST_WORKER" in os.environ or multiprocessing.parent_process() is None


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
    del fake.handlers
    fake.state = "fake"
    monkeypatch.setattr(sys.modules[__name__], "machine", fake)
    assert peer.call(machine.tell) == "fake"
    monkeypatch.setattr(sys.modules[__name__], "settings_of", {"colour": "green"})
    assert peer.call(settings_of.get, "colour") == "green"


def test_an_object_that_a_test_makes_global_is_sent(peer):
    global made_late
    made_late = ["a"]
    assert peer.call(made_late.__len__) == 1


def test_a_spy_in_another_module_is_sent(peer, monkeypatch):
    def spied(path: str) -> str:
        return "spied " + real(path)

    real = os.path.basename
    monkeypatch.setattr(os.path, "basename", spied)
    assert peer.call(os.path.basename, "/a/b") == "spied b"


# Globals of code by value.


def connect() -> None:
    global connection
    connection = "connected"


def test_a_lambda_sees_globals_that_only_the_peer_has(peer):
    with pytest.raises(NameError, match="connection"):
        peer.call(lambda: connection)
    peer.call(connect)
    assert peer.call(lambda: connection) == "connected"
    assert peer.call(lambda: [connection for _ in "ab"]) == ["connected"] * 2


# File descriptors.


@pytest.fixture
def pipe():
    ends = multiprocessing.Pipe()
    yield ends
    for end in ends:
        end.close()


@pytest.mark.parametrize("wrapped", [lambda end: end, lambda end: {"ends": [end]}])
def test_what_owns_a_descriptor_does_not_travel(peer, pipe, wrapped):
    with pytest.raises(EncodeError, match="descriptor"):
        peer.call(id, wrapped(pipe[0]))
    with pytest.raises(EncodeError, match="descriptor"):
        peer.call(lambda: multiprocessing.Pipe()[0])


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
