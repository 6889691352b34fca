"""Arguments and results: which values travel, and the error for each that does not."""

from __future__ import annotations

import operator
import os
import threading
import types
from collections.abc import Callable
from typing import Any

import pytest
from timeouts import LONG
from unusual_exceptions import made_here

from pytest_peer import DecodeError, EncodeError, Peer

MEGABYTE = 1 << 20


class RefusesPickling:
    def __reduce__(self) -> Any:
        raise LookupError("this one stays")


class RefusesUnpickling:
    def __init__(self, place: str) -> None:
        self.place = place

    def __setstate__(self, state: dict[str, Any]) -> None:
        raise LookupError(f"not in {state['place']}")


class EndsProgramsWhenUnpickled:
    def __setstate__(self, state: object) -> None:
        raise SystemExit(3)

    def __init__(self) -> None:
        self.state = 1


def instance_made_here(name: str) -> Any:
    return made_here(name)("only here")


def deep_list(depth: int) -> list[Any]:
    nested: list[Any] = []
    for _ in range(depth):
        nested = [nested]
    return nested


def is_usable(peer: Peer) -> bool:
    return peer.call(os.getpid) == peer.pid


# Arguments


@pytest.mark.parametrize(
    ("args", "kwargs", "where"),
    [
        ((threading.Lock(),), {}, "argument 0"),
        ((1, threading.Lock()), {}, "argument 1"),
        ((), {"a": 1, "b": threading.Lock()}, "argument 'b'"),
        (({"a": [0, threading.Lock()]},), {}, "['a'][1]"),
    ],
)
def test_argument_that_cannot_be_sent_is_named(
    shared: Peer, args: tuple[Any, ...], kwargs: dict[str, Any], where: str
) -> None:
    with pytest.raises(EncodeError) as caught:
        shared.call(repr, *args, **kwargs)
    assert where in str(caught.value)
    assert "lock" in str(caught.value)
    assert is_usable(shared)


def test_attribute_that_cannot_be_sent_is_named(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"lock.* at \.inner\.deep"):
        shared.call(repr, types.SimpleNamespace(inner=types.SimpleNamespace(deep=threading.Lock())))


@pytest.mark.parametrize("mode", ["r", "rb"])
def test_open_file_is_not_sent(shared: Peer, mode: str) -> None:
    with open(__file__, mode) as file, pytest.raises(EncodeError):
        shared.call(repr, file)
    with pytest.raises(EncodeError):
        shared.call(open, __file__, mode)


def test_function_that_cannot_be_sent_is_named(shared: Peer) -> None:
    lock = threading.Lock()
    with pytest.raises(EncodeError, match=r"the function.*lock"):
        shared.call(lambda: lock)


def test_argument_that_refuses_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"RefusesPickling.*this one stays"):
        shared.call(repr, RefusesPickling())


def test_argument_that_cannot_be_rebuilt_in_the_peer(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="not in the peer"):
        shared.call(repr, RefusesUnpickling("the peer"))
    assert is_usable(shared)


def test_argument_that_ends_programs_when_rebuilt(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="SystemExit"):
        shared.call(repr, EndsProgramsWhenUnpickled())
    assert is_usable(shared)


def test_argument_too_deep_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="argument 0"):
        shared.call(len, deep_list(100_000))
    assert is_usable(shared)


def test_argument_is_a_copy(shared: Peer) -> None:
    items = [1]
    assert shared.call(operator.iadd, items, [2]) == [1, 2]
    assert items == [1]


def test_argument_of_64_megabytes(shared: Peer) -> None:
    assert shared.call(len, b"\xab" * (64 * MEGABYTE)) == 64 * MEGABYTE


# Results


def test_result_that_cannot_be_sent_is_named(shared: Peer) -> None:
    with pytest.raises(EncodeError, match=r"the result.*lock"):
        shared.call(threading.Lock)
    assert is_usable(shared)


def test_part_of_a_result_that_cannot_be_sent_is_named(shared: Peer) -> None:
    with pytest.raises(EncodeError) as caught:
        shared.call(lambda: {"a": [0, threading.Lock()]})
    assert "['a'][1]" in str(caught.value)


def test_result_that_refuses_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="this one stays"):
        shared.call(RefusesPickling)
    assert is_usable(shared)


def test_result_that_cannot_be_rebuilt_here(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="not in the test") as caught:
        shared.call(RefusesUnpickling, "the test")
    assert isinstance(caught.value.__cause__, LookupError)
    assert is_usable(shared)


@pytest.mark.parametrize(
    "verb", [Peer.call, lambda peer, *args: peer.submit(*args).result(LONG)], ids=["call", "submit"]
)
def test_result_that_ends_programs_when_rebuilt(shared: Peer, verb: Callable[..., Any]) -> None:
    with pytest.raises(DecodeError, match="SystemExit"):
        verb(shared, EndsProgramsWhenUnpickled)
    assert is_usable(shared)


def test_result_of_a_class_that_is_not_here(shared: Peer) -> None:
    with pytest.raises(DecodeError, match="only_for_a_result") as caught:
        shared.call(instance_made_here, "only_for_a_result")
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_result_too_deep_to_be_pickled(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="the result"):
        shared.call(deep_list, 100_000)
    assert is_usable(shared)


def test_result_of_200_megabytes(shared: Peer) -> None:
    result = shared.call(operator.mul, b"\xab\xcd", 100 * MEGABYTE)
    assert len(result) == 200 * MEGABYTE
    assert result.startswith(b"\xab\xcd\xab")
    assert result.endswith(b"\xcd\xab\xcd")


def test_small_calls_return_while_a_big_result_is_on_its_way(shared: Peer) -> None:
    big = shared.submit(operator.mul, b"x", 50 * MEGABYTE)
    assert [shared.call(operator.neg, number) for number in range(50)] == [-n for n in range(50)]
    assert len(big.result(LONG)) == 50 * MEGABYTE


def test_instance_of_a_class_of_this_module(shared: Peer) -> None:
    assert type(shared.call(RefusesUnpickling.__new__, RefusesUnpickling)) is RefusesUnpickling


def test_instance_of_a_local_class_of_the_test(shared: Peer) -> None:
    class Local:
        def __init__(self, value: int) -> None:
            self.value = value

    result = shared.call(Local, 5)
    assert type(result) is Local
    assert result.value == 5


def test_instance_of_a_local_class_of_the_peer(shared: Peer) -> None:
    def make() -> Any:
        class Point:
            def __init__(self, x: int) -> None:
                self.x = x

            def twice(self) -> int:
                return 2 * self.x

        return Point(4)

    assert shared.call(make).twice() == 8


def test_lambda_as_a_result(shared: Peer) -> None:
    assert shared.call(lambda: lambda x: x + 1)(1) == 2
