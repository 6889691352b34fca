"""Exceptions keep what their classes store: slots, attributes, members; a note says what cannot come."""

from __future__ import annotations

import threading
import traceback
from collections.abc import Callable, Sequence

import numpy
import pytest

from pytest_peer import Peer


class WithSlot(Exception):
    __slots__ = ("status",)

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.status = 0


class WithOwnNew(Exception):
    def __new__(cls, first: int, second: int) -> WithOwnNew:
        self = super().__new__(cls, f"{first}{second}")
        self.both = first, second
        return self

    def __init__(self, first: int, second: int) -> None:
        super().__init__(f"{first}{second}")


class Errors(ExceptionGroup[Exception]):  # as in Python's documentation of `derive`
    exit_code: int

    def __new__(cls, errors: Sequence[Exception], exit_code: int) -> Errors:
        self = super().__new__(Errors, f"exit code: {exit_code}", errors)
        self.exit_code = exit_code
        return self

    def derive(self, excs: Sequence[Exception]) -> Errors:  # type: ignore[override]
        return Errors(excs, self.exit_code)


class WithArray(Exception):
    """An attribute that has no truth value."""

    def __init__(self) -> None:
        super().__init__("array")
        self.array = numpy.arange(3)


class Immutable(Exception):
    def __init__(self) -> None:
        object.__setattr__(self, "value", [1])

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class RpcError(Exception):
    """As grpc's: its state cannot travel, and its text is made of it."""

    def __init__(self, state: object) -> None:
        super().__init__(state)
        self.state = state
        self.code = 14

    def __str__(self) -> str:
        return f"state {self.state}"


def raises(make: Callable[..., Exception], *args: object) -> None:
    raise make(*args)


def with_slot() -> None:
    exc = WithSlot("not there")
    exc.status = 404
    raise exc


def group_of_errors() -> None:
    try:
        raise WithOwnNew(1, 2)
    except WithOwnNew as exc:
        raise Errors([exc], 5) from None


def test_slot_keeps_its_value(shared: Peer) -> None:
    with pytest.raises(WithSlot) as caught:
        shared.call(with_slot)
    assert caught.value.status == 404


def test_unknown_name_is_said(shared: Peer) -> None:
    with pytest.raises(NameError) as caught:
        shared.call(lambda: undefined)  # type: ignore[name-defined]  # noqa: F821
    assert caught.value.name == "undefined"


def test_class_with_an_own_new(shared: Peer) -> None:
    with pytest.raises(WithOwnNew) as caught:
        shared.call(raises, WithOwnNew, 1, 2)
    assert caught.value.both == (1, 2)
    assert str(caught.value) == "12"


def test_group_with_an_own_new(shared: Peer) -> None:
    with pytest.raises(Errors) as caught:
        shared.call(group_of_errors)
    assert (caught.value.message, caught.value.exit_code) == ("exit code: 5", 5)
    [member] = caught.value.exceptions
    assert isinstance(member, WithOwnNew)
    frames = traceback.extract_tb(member.__traceback__)
    assert [frame.name for frame in frames] == ["group_of_errors"]


def test_attribute_without_a_truth_value(shared: Peer) -> None:
    with pytest.raises(WithArray) as caught:
        shared.call(raises, WithArray)
    assert caught.value.array.tolist() == [0, 1, 2]


def test_class_that_forbids_to_set_attributes(shared: Peer) -> None:
    with pytest.raises(Immutable) as caught:
        shared.call(raises, Immutable)
    assert vars(caught.value)["value"] == [1]


def test_class_is_kept_when_its_state_cannot_travel(shared: Peer) -> None:
    with pytest.raises(RpcError) as caught:
        shared.call(lambda: raises(RpcError, threading.Lock()))
    assert caught.value.code == 14
    assert any(
        "could not travel: args[0], state; there it was" in n for n in caught.value.__notes__
    )


class Needy(Exception):
    """pickle takes it, and cannot rebuild it."""

    def __init__(self, message: str, code: int) -> None:
        super().__init__(message)
        self.code = code


def test_class_is_kept_when_an_argument_cannot_be_rebuilt(shared: Peer) -> None:
    with pytest.raises(RuntimeError) as caught:
        shared.call(lambda: raises(RuntimeError, Needy("no", 1)))
    assert type(caught.value) is RuntimeError
    assert any("could not travel: args[0]" in note for note in caught.value.__notes__)
