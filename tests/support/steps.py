"""Steps of this thread in the code under test, at which something happens: what a signal's handler may do between any two."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable
from collections.abc import Iterator
from types import FrameType
from typing import Any


class Interrupted(BaseException):
    """What a handler raises, as Ctrl-C does."""


def interrupt() -> None:
    """As a handler."""
    raise Interrupted


@contextlib.contextmanager
def at(*steps: tuple[str, str, str], do: Callable[[], object]) -> Iterator[None]:
    """In the block: `do` it at these steps, one after the other, once each.

    :param steps: file and name of a function, and ``"call"`` or ``"return"``.
    """
    left = list(steps)

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not left:
            return None
        file, function, moment = left[0]
        code = frame.f_code
        if code.co_name != function or not code.co_filename.endswith(f"pytest_peer/{file}"):
            return trace if event == "call" else None
        if event == moment:
            left.pop(0)
            do()
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)
    assert not left
