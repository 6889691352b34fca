"""Annotations of code that travels by value; Python 3.14 evaluates them when they are asked for.

Not `from __future__ import annotations`: then they are texts.
"""

import dataclasses
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest

from pytest_peer import Peer

if TYPE_CHECKING:
    from nowhere import Unknown

lazily = pytest.mark.skipif(
    sys.version_info < (3, 14), reason="such a definition is a NameError before Python 3.14"
)


def annotations_in(peer: Peer, code: object) -> dict[str, Any]:
    """Names of types stand for them: a class that travels by value is another one here."""
    found = peer.call(lambda code: code.__annotations__, code)
    return {name: getattr(value, "__name__", value) for name, value in found.items()}


def make_function() -> Callable[..., int]:
    def add(one: int, other: "str" = "2") -> int:
        return one + int(other)

    return add


def make_class() -> type:
    class Local:
        number: int
        text: "str" = ""

    return Local


def make_tuple() -> type:
    class Local(NamedTuple):
        number: int
        text: str = ""

    return Local


def make_dataclass() -> type:
    @dataclasses.dataclass
    class Local:
        number: int
        text: "str" = ""

    return Local


@pytest.mark.parametrize("make", [make_class, make_tuple, make_dataclass])
def test_class_keeps_its_annotations(shared: Peer, make: Callable[[], type]) -> None:
    assert annotations_in(shared, make()) == {"number": "int", "text": "str"}


def test_function_keeps_its_annotations(shared: Peer) -> None:
    expected = {"one": "int", "other": "str", "return": "int"}
    assert annotations_in(shared, make_function()) == expected


@lazily
def test_function_whose_annotation_has_no_value(shared: Peer) -> None:
    def add(one: int, other: Unknown) -> "list[Unknown]":
        return one + other

    assert shared.call(add, 1, 2) == 3
    expected = {"one": "int", "other": "Unknown", "return": "list[Unknown]"}
    assert annotations_in(shared, add) == expected
    with pytest.raises(NameError):  # here it is as it was
        add.__annotations__


@lazily
def test_class_whose_annotation_has_no_value(shared: Peer) -> None:
    class Local:
        number: int
        unknown: Unknown

        def method(self, other: Unknown) -> Unknown:
            return other

    assert annotations_in(shared, Local) == {"number": "int", "unknown": "Unknown"}
    assert shared.call(lambda cls: cls().method(True), Local)
    with pytest.raises(NameError):
        Local.__annotations__


@lazily
def test_dataclass_whose_annotation_has_no_value(shared: Peer) -> None:
    @dataclasses.dataclass
    class Local:
        number: int
        unknown: Unknown = None

    assert shared.call(lambda cls: cls(3), Local) == Local(3)
    assert annotations_in(shared, Local) == {"number": "int", "unknown": "Unknown"}
