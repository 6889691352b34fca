"""Methods with a decorator's name, objects that are called, and modules that a test imports."""

from __future__ import annotations

import functools
import random
from collections.abc import Callable
from typing import Any

import pytest

from pytest_peer import Peer


def counting(fn: Callable[..., object]) -> Callable[..., int]:
    """Count calls, in a function with a name of its own."""
    calls = 0

    def wrapper(*_: object) -> int:
        nonlocal calls
        calls += 1
        return calls

    return wrapper


class Service:
    @counting
    def start(self) -> None: ...

    @staticmethod
    @counting
    def find() -> None: ...

    @classmethod
    @counting
    def make(cls) -> None: ...

    @classmethod
    @(lambda fn: lambda cls: fn(cls))
    def whose(cls) -> str:
        return cls.__name__

    class Worker:
        @counting
        def start(self) -> None: ...


class Child(Service):
    pass


class Counter:
    calls = 0

    def __call__(self) -> int:
        self.calls += 1
        return self.calls


def add(to: list[int], number: int) -> int:
    to.append(number)
    return len(to)


service = Service()
counter = Counter()
enroll = functools.partial(add, [], 1)
lent = random.lent_by_a_test = Counter()  # type: ignore[attr-defined]

METHODS: dict[str, Callable[[], Any]] = {
    "function": lambda: functools.partial(Service.start, None),
    "of an object": lambda: Service().start,
    "of an object of the module": lambda: service.start,
    "of a child": lambda: Child().start,
    "static": lambda: Service.find,
    "static, of a child": lambda: Child().find,
    "of the class": lambda: Service.make,
    "of a nested class": lambda: Service.Worker().start,
}


@pytest.mark.parametrize("found", METHODS)
def test_method_that_a_decorator_renamed_is_the_peers(peer: Peer, found: str) -> None:
    method = METHODS[found]()
    assert [peer.call(method), peer.call(method)] == [1, 2]


def test_class_method_that_a_decorator_renamed_has_its_class(peer: Peer) -> None:
    assert [peer.call(Service.whose), peer.call(Child.whose)] == ["Service", "Child"]


def test_fake_of_a_method_is_sent(peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Service, "start", lambda _: "fake")
    assert peer.call(Service().start) == "fake"


@pytest.mark.parametrize("fn", [counter, enroll])
def test_object_of_a_module_that_is_called_is_the_peers(peer: Peer, fn: Any) -> None:
    assert [peer.call(fn), peer.submit(fn).result()] == [1, 2]


def test_object_in_two_modules_is_that_of_its_class(peer: Peer) -> None:
    assert [peer.call(lent), peer.call(lent)] == [1, 2]


def test_other_object_that_is_called_takes_its_state_along(peer: Peer) -> None:
    local = Counter()
    local.calls = 5
    assert [peer.call(local), peer.call(local)] == [6, 6]
    assert peer.call(lambda each: each.calls, counter) == 0


@pytest.fixture
def late(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "imported_late.py").write_text(
        "import random\nbooks, dice = [], random.Random(7)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)


def test_what_a_test_imports_is_the_peers(late: None, peer: Peer) -> None:
    import imported_late  # type: ignore[import-not-found]

    peer.call(imported_late.books.append, "a")
    assert peer.call(lambda: imported_late.books) == ["a"]
    drawn = [peer.call(imported_late.dice.random) for _ in range(2)]
    assert drawn == [random.Random(7).random(), drawn[1]]
    assert drawn[0] != drawn[1]
