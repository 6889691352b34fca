"""`still` sees that something holds for a while."""

from __future__ import annotations

import itertools
import math
import time
from concurrent.futures import Future

import pytest

from pytest_peer import still


def test_what_holds_all_the_while_passes() -> None:
    begun = time.monotonic()
    assert still(lambda: "leader", for_=0.05) == "leader"
    assert time.monotonic() - begun >= 0.05


def test_it_is_looked_at_more_than_once() -> None:
    count = itertools.count(1)
    assert still(lambda: next(count), for_=0.05) > 2


def test_none_holds() -> None:
    assert still(lambda: None, for_=0) is None


@pytest.mark.parametrize("value", [False, 0, "", []])
def test_first_false_value_fails_at_once(value: object) -> None:
    values = iter([True, value])
    with pytest.raises(AssertionError, match="and 2 attempts"):
        still(lambda: next(values), for_=30)


def test_exception_fails_at_once_with_a_note() -> None:
    def lost() -> None:
        raise LookupError("no leader")

    with pytest.raises(LookupError) as caught:
        still(lost, for_=30)
    assert caught.value.__notes__[0].endswith("and 1 attempts")


async def never() -> None:
    raise AssertionError


@pytest.mark.parametrize("fn", [never, Future, lambda: [Future()]])
def test_what_has_no_result_yet_is_refused(fn: object) -> None:
    with pytest.raises(TypeError, match=r"has no result yet: return the result$"):
        still(fn)  # type: ignore[arg-type]


@pytest.mark.parametrize("for_", [-1, math.nan, None, math.inf])
def test_wrong_time_is_refused(for_: float) -> None:
    with pytest.raises(ValueError, match="for_: "):
        still(lambda: True, for_)
