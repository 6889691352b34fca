"""Functions of every kind, for points; peers of all versions import it."""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
from collections.abc import Callable
from typing import Any


def noted(fn: Callable[..., Any]) -> Callable[..., Any]:
    """All that it decorates has one code."""

    @functools.wraps(fn)
    def wrapper(*args: Any) -> Any:
        return fn(*args)

    return wrapper


def double(value: int, more: int = 0) -> int:
    return value * 2 + more


def broken(value: int) -> int:
    raise KeyError(value)


def numbers(value: int) -> Any:
    """Give what it is sent."""
    total = yield value
    return total


def drained(value: int) -> list[int]:
    return list(numbers(value))


async def triple(value: int) -> int:
    await asyncio.sleep(0)
    return value * 3


async def astream(value: int) -> Any:
    yield value
    await asyncio.sleep(0)
    yield value + 1


async def consumed(value: int) -> list[int]:
    return [each async for each in astream(value)]


@noted
def decorated(value: int) -> int:
    return value + 10


@noted
def neighbour(value: int) -> int:
    """It has the same code as `decorated`: that of the decorator's closure."""
    return value + 20


@functools.lru_cache(maxsize=64)
def cached(value: int) -> int:
    return value + 40


class Store:
    def __init__(self, number: int = 1) -> None:
        self.number = number

    def __repr__(self) -> str:
        return "Store(%d)" % self.number

    def __call__(self) -> int:
        return self.number

    def commit(self, value: int, *more: int, sync: bool = True, **rest: int) -> int:
        return self.number + value + len(more) + len(rest) + (not sync)

    @classmethod
    def made(cls, value: int) -> str:
        return "%s %d" % (cls.__name__, value)

    @staticmethod
    def checked(value: int) -> int:
        return value

    @property
    def size(self) -> int:
        return self.number * 100

    def again(self, value: int) -> int:
        return Child(value).inherited()


class Child(Store):
    def inherited(self) -> int:
        return super().commit(0)


STORE = Store(7)
alias = double
bound = STORE.commit


def through_alias(value: int) -> int:
    return alias(value)


def through_bound(value: int) -> int:
    return bound(value)


def made(value: int) -> str:
    return Child.made(value)


def checked(value: int) -> int:
    return Store(0).checked(value)


def size(value: int) -> int:
    return Store(value).size


#: Of each kind: the target of a point, and a function that calls it.
KINDS = {
    "function": ("double", "double"),
    "alias": ("double", "through_alias"),
    "method": ("Store.commit", "STORE.commit"),
    "bound method": ("STORE.commit", "through_bound"),
    "super": ("Child.commit", "STORE.again"),
    "classmethod": ("Store.made", "made"),
    "staticmethod": ("Store.checked", "checked"),
    "property": ("Store.size", "size"),
    "closure": ("decorated", "decorated"),
    "generator": ("numbers", "drained"),
    "coroutine": ("triple", "triple"),
    "asynchronous generator": ("astream", "consumed"),
}


def state(target: str) -> tuple[int, list[str], str]:
    """Return what a point changes of a function: its code, its attributes, its signature."""
    fn: Any = sys.modules[__name__]
    for part in target.split("."):
        fn = getattr(fn, part)
    fn = getattr(fn, "fget", getattr(fn, "__func__", fn))
    return id(fn.__code__), sorted(vars(fn)), str(inspect.signature(fn))


def size_of_a_store() -> int:
    return Store().size


async def echo(value: Any) -> Any:
    """Give back what it is sent, and the names of what is thrown in."""
    try:
        while value is not None:
            try:
                value = yield value
            except KeyError as exc:
                value = type(exc).__name__
    finally:
        CLOSED.append("closed")


CLOSED: list[str] = []


async def talk_to_echo() -> list[Any]:
    CLOSED.clear()
    stream = echo(1)
    said = [await stream.asend(None), await stream.asend("two"), await stream.athrow(KeyError())]
    await stream.aclose()
    return said + CLOSED


STARTS: list[int] = []
_CODE = double.__code__


def use_all_tools() -> None:
    """Leave no identity of a tool free, and count the starts of `double` by the last one."""
    monitoring: Any = vars(sys)["monitoring"]
    for tool in range(6):
        if monitoring.get_tool(tool) is None:
            monitoring.use_tool_id(tool, "another")
    monitoring.register_callback(5, monitoring.events.PY_START, lambda *_: STARTS.append(1))
    monitoring.set_local_events(5, _CODE, monitoring.events.PY_START)


def tool() -> tuple[int, int, int]:
    monitoring: Any = vars(sys)["monitoring"]
    events = monitoring.get_local_events(5, _CODE), monitoring.get_events(5)
    return (len(STARTS), *events)
