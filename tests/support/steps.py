"""Steps of this thread in our code, at which something happens: what a signal's handler may do."""

from __future__ import annotations

import contextlib
import inspect
import os
import sys
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any

OURS = f"{os.sep}pytest_peer{os.sep}"


class Interrupted(BaseException):
    """What a handler raises, as Ctrl-C does."""


def interrupt() -> None:
    """Do as a handler that raises."""
    raise Interrupted


class Step:
    """Whether a step has come."""

    reached = False


@contextlib.contextmanager
def at_step(number: int, do: Callable[[], object] = interrupt) -> Iterator[Step]:
    """Call `do` in the block, at the call or return number `number` of a function of ours.

    A block with fewer steps goes on as ever.
    """
    left, step = number, Step()

    def count(frame: FrameType, event: str, _: object) -> Any:
        nonlocal left
        if event not in ("call", "return"):
            return count
        if event == "call" and OURS not in frame.f_code.co_filename:
            return None
        if frame.f_code.co_name == "__enter__":  # no handler runs between its return and the block
            return None
        if event == "return" and frame.f_code.co_flags & inspect.CO_GENERATOR:
            return count  # perhaps it yields; a signal's handler does not run then
        left -= 1
        if left < 0 and not step.reached:
            step.reached = True
            do()
        return count

    before = sys.gettrace()
    sys.settrace(count)
    try:
        yield step
    finally:
        sys.settrace(before)
