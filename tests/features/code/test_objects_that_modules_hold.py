"""What a module holds under a name is the peer's own, though it has another name itself, or none."""

from __future__ import annotations

import contextvars
import datetime
import functools
import multiprocessing
import os
import random
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from decorators import counting, guarded
from hypothesis import given, settings
from hypothesis import strategies as st

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


class Counter:
    """Can be called, and is no decorator."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return self.calls


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


class MethodProxy:
    """Says that it is the method it calls, as what a decorator of wrapt binds."""

    def __init__(self, method: Any) -> None:
        self._method = method

    @property
    def __class__(self) -> Any:
        return type(self._method)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._method, name)

    def __call__(self, *args: Any) -> Any:
        return self._method(*args)

    def __reduce_ex__(self, _: Any) -> Any:
        raise NotImplementedError


class Decorated:
    """A method that something else binds."""

    def __init__(self, fn: Any) -> None:
        self.fn = fn

    def __get__(self, obj: Any, owner: Any) -> Any:
        return MethodProxy(self.fn.__get__(obj, owner))


class Tally:
    def __init__(self) -> None:
        self.total = 0

    @Decorated
    def add(self, number: int) -> int:
        self.total += number
        return self.total


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
counter = Counter()
tally = Tally()
level = contextvars.ContextVar("level", default=1)
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


def test_an_object_that_can_be_called(peer):
    assert [peer.call(counter), peer.call(counter)] == [1, 2]
    assert peer.call(counter.__call__) == 3
    assert counter.calls == 0
    assert peer.call(lambda copy: copy(), counter) == 1


def test_a_method_that_a_decorator_binds(peer):
    assert [peer.call(tally.add, 2), peer.call(functools.partial(tally.add, 3))] == [2, 5]
    other = Tally()
    other.total = 7
    assert peer.call(other.add, 1) == 8
    assert (tally.total, other.total) == (0, 7)


def test_methods_of_what_is_equal_to_itself_alone(peer):
    """Though it has a hash of its own."""
    assert peer.call(level.get) == 1


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
    assert peer.call(lambda: globals()["connection"]) == "connected"
    assert peer.call(lambda: eval("connection")) == "connected"


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
