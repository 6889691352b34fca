"""Steps of this thread in the code under test, at which something happens: what a signal handler may do between any two.

A step is the call of a function, or the return from it. `steps_of` finds those of an action, so that a test can go through
all of them and needs to name none.
"""

from __future__ import annotations

import contextlib
import importlib
import inspect
import operator
import os
import sys
import traceback
from collections.abc import Callable
from collections.abc import Collection
from collections.abc import Iterator
from types import CodeType
from types import FrameType
from typing import Any
from typing import NamedTuple

import pytest_peer

PACKAGE = os.path.dirname(pytest_peer.__file__)


class Step(NamedTuple):
    file: str
    line: int
    function: str
    event: str  # "call" or "return"

    @classmethod
    def of(cls, code: CodeType, event: str) -> Step:
        return cls(code.co_filename, code.co_firstlineno, code.co_qualname, event)


class Interrupted(BaseException):
    """Raised by a handler, as Ctrl-C raises `KeyboardInterrupt`."""


def interrupt() -> None:
    """Handle a signal as Ctrl-C does."""
    raise Interrupted


def steps_of(action: Callable[[], object]) -> list[Step]:
    """Do `action`; return its steps, each once, but for those that return a peer: whoever interrupts these loses it."""
    found: dict[Step, None] = {}

    def note(step: Step, value: object) -> None:
        found[step] = None
        if step.event == "return" and isinstance(value, pytest_peer.Peer):
            returned.add(step)

    returned: set[Step] = set()
    with _traced(note):
        action()
    assert found
    return [step for step in found if step not in returned]


@contextlib.contextmanager
def at(*steps: Step, do: Callable[[], object]) -> Iterator[list[Step]]:
    """`do` it in the block when this thread comes to these steps, one after the other, once each.

    The list has those that it has come to.
    """
    reached: list[Step] = []

    def act(current: Step, _: object) -> None:
        if len(reached) < len(steps) and current == steps[len(reached)]:
            reached.append(current)
            do()

    with _traced(act):
        yield reached


def sweep(
    action: Callable[[], object],
    check: Callable[[], object] = int,
    *,
    prepare: Callable[[], object] = int,
    clean: Callable[[], object] = int,
    do: Callable[[], object] = interrupt,
    events: Collection[str] = ("call", "return"),
) -> None:
    """Go through the steps of an action: `prepare`, `do` something at the step, `check` what has become of it, and `clean`.

    Prints ``ok``, or what went wrong first, and after which step.
    """
    prepare()
    found = [step for step in steps_of(action) if step.event in events]
    clean()
    times = 0
    for step in found:
        prepare()
        try:
            with at(step, do=do) as reached:
                action()
        except Interrupted:
            pass
        try:
            if reached:
                times += 1
                check()
            clean()
        except BaseException:
            print("after", step, traceback.format_exc(), flush=True)
            os._exit(1)
    print(
        "ok" if times > len(found) / 2 else f"only {times} steps of {len(found)} were there again"
    )


@contextlib.contextmanager
def _traced(each: Callable[[Step, object], None]) -> Iterator[None]:
    def trace(frame: FrameType, event: str, value: object) -> Any:
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        generator = frame.f_code.co_flags & inspect.CO_GENERATOR
        if event == "call" or (event == "return" and not generator):  # no handler raises in `yield`
            each(Step.of(frame.f_code, event), value)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        yield
    finally:
        sys.settrace(before)


def named(function: str, event: str) -> Step:
    """Return a step by the qualified name of its function in the package: ``core.sync:Event.wait``."""
    module, _, name = function.partition(":")
    found = operator.attrgetter(name)(importlib.import_module(f"pytest_peer.{module}"))
    return Step.of(inspect.unwrap(found).__code__, event)
