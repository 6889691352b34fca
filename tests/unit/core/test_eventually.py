"""`eventually` waits for a condition."""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

import pytest

from pytest_peer import eventually


def after(count: int, before: Callable[[], Any], then: Any = True) -> Callable[[], Any]:
    """A function that does `before` `count` times, and returns `then`."""
    calls = itertools.count(1)
    return lambda: before() if next(calls) <= count else then


def fails() -> None:
    raise LookupError("no leader")


@pytest.mark.parametrize("value", [True, 1, "leader", [0]])
def test_value_is_returned(value: object) -> None:
    assert eventually(lambda: value) is value


def test_none_is_an_assertion_that_passed() -> None:
    calls: list[int] = []
    assert eventually(lambda: calls.append(1)) is None  # type: ignore[func-returns-value]
    assert calls == [1]


@pytest.mark.parametrize("value", [False, 0, "", []])
def test_falsy_value_is_tried_again(value: object) -> None:
    assert eventually(after(3, lambda: value, then="leader")) == "leader"


def test_exception_is_tried_again() -> None:
    assert eventually(after(3, fails, then="leader")) == "leader"


def test_failed_assertion_is_tried_again() -> None:
    def assertion() -> None:
        assert next(terms) == 3

    terms = itertools.count()
    eventually(assertion)
    assert next(terms) == 4


def test_last_exception_is_raised_as_itself() -> None:
    numbers = itertools.count(1)

    def numbered() -> None:
        raise LookupError(next(numbers))

    with pytest.raises(LookupError) as caught:
        eventually(numbered, timeout=0.02)
    assert caught.value.args == (next(numbers) - 1,)


def test_note_says_how_long_and_how_often() -> None:
    with pytest.raises(LookupError) as caught:
        eventually(fails, timeout=0.02)
    assert "0.02 s" in caught.value.__notes__[-1]
    assert "attempts" in caught.value.__notes__[-1]


def test_last_falsy_value_is_shown() -> None:
    with pytest.raises(AssertionError, match=r"\[\].* 0.02 s"):
        eventually(list, timeout=0.02)


def test_exceptions_that_end_a_program_are_not_tried_again() -> None:
    def interrupts() -> None:
        calls.append(1)
        raise KeyboardInterrupt

    calls: list[int] = []
    with pytest.raises(KeyboardInterrupt):
        eventually(interrupts)
    assert calls == [1]


def test_skip_is_not_tried_again() -> None:
    with pytest.raises(pytest.skip.Exception):
        eventually(lambda: pytest.skip("no network"))


def test_without_time_there_is_one_attempt() -> None:
    calls: list[int] = []
    with pytest.raises(AssertionError):
        eventually(lambda: calls.append(1) or False, timeout=0)
    assert calls == [1]


def test_what_is_true_at_the_end_of_the_time_counts() -> None:
    end = time.monotonic() + 0.05
    assert eventually(lambda: time.monotonic() >= end, timeout=0.05)


def test_no_limit() -> None:
    assert eventually(after(3, fails), timeout=None)
    assert eventually(after(3, fails), timeout=math.inf)


@pytest.mark.parametrize("timeout", [-1, math.nan])
def test_wrong_limit_is_refused(timeout: float) -> None:
    with pytest.raises(ValueError, match=f"timeout: .*{timeout!r}"):
        eventually(fails, timeout)


def test_limit_of_a_wrong_type_is_refused() -> None:
    with pytest.raises(TypeError, match=r"timeout: .*'5'"):
        eventually(fails, "5")  # type: ignore[arg-type]


def test_coroutine_is_no_success() -> None:
    async def never() -> None:
        raise AssertionError

    with pytest.raises(TypeError, match=r"never.* no result yet: await it by `aeventually`$"):
        eventually(never, timeout=0.1)


@pytest.mark.parametrize("value", [Future(), [Future(), Future()]])
def test_future_is_no_success(value: object) -> None:
    with pytest.raises(TypeError, match=r"has no result yet: return the result$"):
        eventually(lambda: value, timeout=0.1)
