"""Functions that warn, in a peer; and what a test hears of that."""

from __future__ import annotations

import asyncio
import contextlib
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from timeouts import LONG


class Worried(Exception):
    """Raised after a warning."""


def warn(text: str = "careful", category: type[Warning] = UserWarning) -> str:
    warnings.warn(text, category, stacklevel=1)
    return "done"


def warn_and_fail() -> None:
    warn("before")
    raise Worried("after")


def warn_as_error() -> str:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        try:
            warn()
        except UserWarning:
            return "caught"
    return "passed"


async def warn_later() -> None:
    await asyncio.sleep(0)
    warn("later")


def line_of(function: Callable[..., object], plus: int = 1) -> int:
    return function.__code__.co_firstlineno + plus


def texts(caught: Any) -> list[str]:
    return [str(each.message) for each in caught]


@contextlib.contextmanager
def heard() -> Iterator[list[warnings.WarningMessage]]:
    """Everything that is warned of in a block."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        yield caught


VERBS = {
    "call": lambda peer, fn: peer.call(fn),
    "call_within": lambda peer, fn: peer.call_within(LONG, fn),
    "submit": lambda peer, fn: peer.submit(fn).result(LONG),
    "exception": lambda peer, fn: peer.submit(fn).exception(LONG),
    "map": lambda peer, fn: list(peer.map(fn, ["careful"])),
    "acall": lambda peer, fn: asyncio.run(peer.acall(fn)),
}
