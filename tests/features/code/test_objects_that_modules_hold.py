"""What a module holds travels as its name there, whatever its own name is: a copy has a state of its own."""

from __future__ import annotations

import collections
import functools
import os
import random
import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest
import wrapt
from hypothesis import given, settings, strategies

from pytest_peer import Peer

words: list[str] = []
Named = collections.namedtuple("Other", "value")  # type: ignore[name-match]


class Store:
    def __init__(self) -> None:
        self.guard = threading.Lock()  # it cannot travel
        self.count = 0

    def add(self) -> int:
        with self.guard:
            self.count += 1
            return self.count


store = Store()


def counted(fn: Callable[..., object]) -> Callable[[], int]:
    calls = 0

    def wrapper() -> int:
        nonlocal calls
        calls += 1
        return calls

    return wrapper


def locked(fn: Callable[[int], int]) -> Callable[[int], int]:
    guard = threading.Lock()

    def wrapper(number: int) -> int:
        with guard:
            return fn(number)

    return wrapper


class Counted:
    """A decorator that is an instance."""

    def __init__(self, fn: Callable[[], object]) -> None:
        self.fn = fn
        self.calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return self.calls


@wrapt.decorator
def through(wrapped: Any, instance: Any, args: Any, kwargs: Any) -> Any:
    return wrapped(*args, **kwargs)


@counted
def hit() -> None: ...


@locked
def twice(number: int) -> int:
    return 2 * number


@through
def thrice(number: int) -> int:
    return 3 * number


@Counted
def strike() -> None: ...


def heard() -> list[str]:
    return words


def named() -> object:
    return Named(1)


@pytest.mark.parametrize("fn", [hit, strike, store.add])
def test_state_of_what_is_called_lives_on(peer: Peer, fn: Callable[[], int]) -> None:
    assert [peer.call(fn), peer.call(fn)] == [1, 2]


@pytest.mark.parametrize(("fn", "value"), [(twice, 8), (thrice, 12)])
def test_what_is_around_a_function_need_not_travel(
    peer: Peer, fn: Callable[[int], int], value: int
) -> None:
    assert peer.call(fn, 4) == value


def test_seed_has_an_effect(peer: Peer) -> None:
    peer.call(random.seed, 7)
    first = peer.call(random.random)
    peer.call(functools.partial(random.seed, 7))
    assert peer.call(random.random) == first


def test_peers_draw_different_numbers(peer_factory: Any) -> None:
    first, second = peer_factory.many(2).call(random.getrandbits, 64)
    assert first != second


def test_methods_of_a_module_s_list_change_the_peer_s(peer: Peer) -> None:
    peer.call(words.append, "a")
    assert peer.call(heard) == ["a"]
    assert words == []


def test_methods_of_environment_and_path_are_the_peer_s(peer: Peer) -> None:
    peer.call(os.environ.__setitem__, "ONLY_THERE", "1")
    assert peer.call(os.environ.get, "ONLY_THERE") == "1"
    peer.call(sys.path.append, "/only/there")
    assert peer.call(lambda: "/only/there" in sys.path)
    assert os.environ.get("ONLY_THERE") is None
    assert "/only/there" not in sys.path


def test_method_of_an_object_of_the_test_takes_its_copy(peer: Peer) -> None:
    assert peer.call({"a": 1}.get, "a") == 1
    assert peer.call(", ".join, ["a", "b"]) == "a, b"


def test_class_under_another_name_is_the_same_class(peer: Peer) -> None:
    assert type(peer.call(named)) is Named


@pytest.mark.in_peer
@settings(max_examples=3, deadline=None)
@given(number=strategies.integers())
def test_property_of_hypothesis_runs_in_a_peer(number: int) -> None:
    assert number + number == 2 * number
