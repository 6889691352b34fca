"""A class that travels by value stays one class in each process, and the test's is its own."""

from __future__ import annotations

import dataclasses
import enum
import functools
from typing import Any

import pytest

kinds: list[str] = []


class Base:
    def __init_subclass__(cls) -> None:
        kinds.append(cls.__name__)


def make_class() -> type:
    class Made:
        limit = 1

    return Made


def test_its_base_hears_of_it_once(peer):
    class Local(Base):
        pass

    kinds.clear()
    for _ in range(2):
        peer.call(Local)
    assert peer.call(lambda: kinds) == ["Local"]
    assert kinds == []


def test_a_result_does_not_change_the_class_of_the_test(peer):
    seen = []

    class Local:
        limit = 1

        def see(self) -> None:
            seen.append(self.limit)

    def change() -> Local:
        Local.limit = 2
        return Local()

    see = Local.see
    local = peer.call(change)
    assert type(local) is Local
    assert Local.see is see
    local.see()
    assert seen == [1]


def test_an_exception_does_not_change_its_class(peer):
    seen = []

    class LocalError(Exception):
        def see(self) -> None:
            seen.append(self.args)

    def fail() -> Any:
        see = LocalError.see
        try:
            raise LocalError("local")
        finally:
            assert LocalError.see is see

    see = LocalError.see
    with pytest.raises(LocalError) as caught:
        peer.call(fail)
    caught.value.see()
    assert LocalError.see is see
    assert seen == [("local",)]


def test_it_has_its_slots_and_its_name(peer):
    class Slotted:
        __slots__ = ("__weakref__", "x")

        def __init__(self, x: int) -> None:
            self.x = x

    @dataclasses.dataclass(slots=True)
    class Record:
        x: int

    assert peer.call(lambda: (Slotted(1).x, hasattr(Slotted(1), "__dict__"))) == (1, False)
    assert peer.call(lambda: Slotted(2)).x == 2
    assert peer.call(lambda: Record(2)) == Record(2)
    assert peer.call(lambda: Record.__qualname__) == Record.__qualname__
    assert peer.call(make_class).__qualname__ == make_class().__qualname__


def test_it_has_its_cached_properties(peer):
    class Local:
        @functools.cached_property
        def number(self) -> int:
            return 4

    assert peer.call(lambda: (Local().number, Local.number.attrname)) == (4, "number")
    assert peer.call(Local).number == 4


def test_each_call_brings_the_state_of_the_class(peer):
    class Local:
        limit = 1

    def count() -> int:
        Local.limit += 1
        return Local.limit

    assert [peer.call(count), peer.call(count)] == [2, 2]
    Local.limit = 5
    assert peer.call(count) == 6


def test_a_class_of_the_peer_keeps_its_state_there(peer):
    made: Any = peer.call(make_class)
    assert peer.call(setattr, made, "limit", 2) is None
    assert peer.call(lambda: made.limit) == 2


def test_members_of_an_enumeration_are_the_same(peer):
    class Colour(enum.Enum):
        RED = 1

        def shout(self) -> str:
            return self.name

    shout = Colour.shout
    assert peer.call(lambda: Colour.RED) is Colour.RED
    assert Colour.shout is shout
