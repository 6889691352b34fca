"""A call raises what its function raises."""

from __future__ import annotations

import asyncio
import operator
import os
import sys
import traceback
from collections.abc import Callable
from typing import Any

import pytest
from timeouts import LONG

from pytest_peer import Peer, PeerInterrupted


class OwnError(Exception):
    """An exception that only this module has."""


class Stop(BaseException):
    """One that no ``except Exception`` stops."""


def fail(*args: object) -> None:
    raise OwnError(*args)


def end(exc: BaseException) -> None:
    raise exc


async def twice(value: Any) -> Any:
    await asyncio.sleep(0)
    return value * 2


async def end_later(exc: BaseException) -> None:
    raise exc


def test_exception_is_raised_as_itself(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(fail, "no", 7)
    assert type(caught.value) is OwnError
    assert caught.value.args == ("no", 7)


def test_exception_of_a_builtin_function(shared: Peer) -> None:
    with pytest.raises(ZeroDivisionError, match="division by zero"):
        shared.call(operator.truediv, 1, 0)


def test_failed_assertion_is_an_assertion_error(shared: Peer) -> None:
    def fails() -> None:
        raise AssertionError("not so")

    with pytest.raises(AssertionError, match="not so"):
        shared.call(fails)


def test_note_names_the_peer(shared: Peer) -> None:
    with pytest.raises(OwnError) as caught:
        shared.call(fail)
    assert any(shared.name in note for note in caught.value.__notes__)


def test_stop_iteration_is_raised_as_itself(shared: Peer) -> None:
    with pytest.raises(StopIteration):
        shared.call(next, iter([]))


@pytest.mark.parametrize("verb", [Peer.call, lambda peer, *args: peer.submit(*args).result(LONG)])
@pytest.mark.parametrize("ending", [SystemExit(3), GeneratorExit("over"), Stop("all")])
def test_exception_that_ends_programs_is_the_call_s(
    shared: Peer, verb: Callable[..., Any], ending: BaseException
) -> None:
    with pytest.raises(type(ending)) as caught:
        verb(shared, end, ending)
    assert caught.value.args == ending.args
    assert shared.call(os.getpid) == shared.pid


def test_keyboard_interrupt_fails_the_call_and_ends_nothing(shared: Peer) -> None:
    with pytest.raises(PeerInterrupted, match="KeyboardInterrupt: now") as caught:
        shared.call(end, KeyboardInterrupt("now"))
    assert any("raised in peer" in note for note in caught.value.__notes__)
    assert "end" in [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert shared.call(os.getpid) == shared.pid


def test_exit_code_is_kept(shared: Peer) -> None:
    with pytest.raises(SystemExit) as caught:
        shared.call(sys.exit, 3)
    assert caught.value.code == 3


@pytest.mark.parametrize(
    ("ending", "error"),
    [(SystemExit(3), SystemExit), (KeyboardInterrupt("now"), PeerInterrupted)],
)
def test_system_exit_does_not_end_the_event_loop(
    shared: Peer, ending: BaseException, error: type[BaseException]
) -> None:
    with pytest.raises(error):
        shared.call(end_later, ending)
    assert shared.call(twice, 1) == 2
