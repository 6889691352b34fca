"""Functions that a peer can call, and their arguments."""

from __future__ import annotations

import asyncio
import functools
import itertools
import math
import operator
import os
import sys
from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import EncodeError, Peer, here

PARAMETER_NAMES = {"fn": 1, "timeout": 2, "self": 3, "args": 4, "kwargs": 5, "seconds": 6}


class Account:
    def __init__(self, balance: int) -> None:
        self.balance = balance

    def plus(self, amount: int) -> int:
        return self.balance + amount

    @classmethod
    def empty(cls) -> Account:
        return cls(0)

    def __call__(self, amount: int) -> int:
        return self.plus(amount)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Account) and other.balance == self.balance

    __hash__ = None  # type: ignore[assignment]


def keywords(**kwargs: object) -> dict[str, object]:
    return kwargs


def keywords_to(box: str, /, **kwargs: object) -> None:
    here.origin.send(box, kwargs)


counter = itertools.count(1)


def count() -> int:
    return next(counter)


async def twice(value: Any) -> Any:
    await asyncio.sleep(0)
    return value * 2


def test_call_returns_the_value(shared: Peer) -> None:
    assert shared.call(operator.add, 1, 2) == 3


def test_call_runs_in_the_peer(shared: Peer) -> None:
    assert shared.call(os.getpid) == shared.pid != os.getpid()


def test_call_of_a_function_of_the_test_module(shared: Peer) -> None:
    assert shared.call(keywords) == {}


def test_module_state_lives_from_call_to_call(peer: Peer) -> None:
    assert [peer.call(count) for _ in range(3)] == [1, 2, 3]


@pytest.mark.parametrize("verb", ["call", "call_within", "submit", "acall", "cast"])
def test_keywords_may_be_named_like_parameters(
    shared: Peer, module_peer_factory: Any, verb: str
) -> None:
    if verb == "call":
        result = shared.call(keywords, **PARAMETER_NAMES)
    elif verb == "call_within":
        result = shared.call_within(LONG, keywords, **PARAMETER_NAMES)
    elif verb == "submit":
        result = shared.submit(keywords, **PARAMETER_NAMES).result(LONG)
    elif verb == "acall":
        result = asyncio.run(shared.acall(keywords, **PARAMETER_NAMES))
    else:
        shared.cast(keywords_to, "keywords", **PARAMETER_NAMES)
        result = module_peer_factory.mailbox("keywords").get(LONG)
    assert result == PARAMETER_NAMES


@pytest.mark.parametrize(
    ("name", "args", "value"),
    [
        ("operator:add", (1, 2), 3),
        ("os.path:basename", ("/a/b",), "b"),
        ("collections:OrderedDict.fromkeys", ("ab",), {"a": None, "b": None}),
        ("builtins:str.upper", ("a",), "A"),
    ],
)
def test_callable_may_be_named(shared: Peer, name: str, args: tuple[Any], value: object) -> None:
    assert shared.call(name, *args) == value


@pytest.mark.parametrize("name", ["os", "os:", ":getpid", "", ":"])
@pytest.mark.parametrize("verb", ["call", "submit", "cast"])
def test_name_without_module_or_qualname_is_refused(shared: Peer, verb: str, name: str) -> None:
    with pytest.raises(ValueError, match=f"module:qualname.*{name!r}"):
        getattr(shared, verb)(name)


@pytest.mark.parametrize(
    "name", ["no_such_module:f", "os:no_such_function", "os.path:join.nothing"]
)
def test_name_of_nothing_is_an_error_that_says_so(shared: Peer, name: str) -> None:
    with pytest.raises(Exception, match=r"no_such_module|no_such_function|nothing"):
        shared.call(name)


@pytest.mark.parametrize("thing", [None, 1, ["os:getpid"], b"os:getpid"])
@pytest.mark.parametrize("verb", ["call", "submit", "cast"])
def test_what_cannot_be_called_is_refused(shared: Peer, verb: str, thing: object) -> None:
    with pytest.raises(TypeError) as caught:
        getattr(shared, verb)(thing)
    assert repr(thing) in str(caught.value)


def test_partial(shared: Peer) -> None:
    assert shared.call(functools.partial(operator.sub, 10), 3) == 7


def test_partial_of_a_coroutine_function(shared: Peer) -> None:
    assert shared.call(functools.partial(twice, 4)) == 8


def test_bound_method(shared: Peer) -> None:
    assert shared.call(Account(3).plus, 4) == 7


def test_bound_method_of_a_builtin(shared: Peer) -> None:
    assert shared.call("a,b".split, ",") == ["a", "b"]


def test_class_method(shared: Peer) -> None:
    assert shared.call(Account.empty) == Account(0)


def test_class(shared: Peer) -> None:
    assert shared.call(Account, 5) == Account(5)


def test_callable_instance(shared: Peer) -> None:
    assert shared.call(Account(3), 4) == 7


def test_lambda(shared: Peer) -> None:
    assert shared.call(lambda a, b: a * b, 6, 7) == 42


def test_lambda_that_uses_this_module(shared: Peer) -> None:
    assert shared.call(lambda: Account(2).plus(operator.add(1, 1))) == 4


def test_closure(shared: Peer) -> None:
    offset = 10

    def shifted(value: int) -> int:
        return value + offset

    assert shared.call(shifted, 1) == 11


def test_recursive_closure(shared: Peer) -> None:
    def factorial(number: int) -> int:
        return number * factorial(number - 1) if number else 1

    assert shared.call(factorial, 10) == math.factorial(10)


def test_local_coroutine_function(shared: Peer) -> None:
    async def add(a: int, b: int) -> int:
        await asyncio.sleep(0)
        return a + b

    assert shared.call(add, 1, 2) == 3


def iterator() -> Iterator[int]:
    yield 1


def test_generator_cannot_be_sent_and_says_so(shared: Peer) -> None:
    with pytest.raises(EncodeError, match="generator"):
        shared.call(iterator)


@pytest.mark.skipif(sys.version_info < (3, 15), reason="Python 3.15 has lazy imports")
def test_lazy_import_among_copied_globals(shared: Peer) -> None:
    names: dict[str, Any] = {"__name__": "typed_in"}
    code = "lazy import json\nlazy from fractions import Fraction\n"
    exec(code + "def half(): return json.loads('1') * Fraction(1, 2)", names)
    assert shared.call(names["half"]) == Fraction(1, 2)
