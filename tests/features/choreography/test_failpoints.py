"""`Peer.fail_at` makes a function raise instead of running."""

from __future__ import annotations

import errno

import pytest
from held_store import double
from timeouts import LONG
from unusual_exceptions import TwoArguments

from pytest_peer import PointNotReached


def outcomes(count):
    found = []
    for value in range(count):
        try:
            found.append(double(value))
        except Exception as exc:
            found.append(type(exc).__name__)
    return found


def same(count):
    found = []
    for _ in range(count):
        try:
            double(1)
        except KeyError as exc:
            found.append(exc)
    return len(set(map(id, found))), [exc.__context__ for exc in found]


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ["KeyError", 2, 4, 6]),
        ({"nth": 3}, [0, 2, "KeyError", 6]),
        ({"nth": 2, "times": 2}, [0, "KeyError", "KeyError", 6]),
        ({"times": 9}, ["KeyError"] * 4),
        ({"when": lambda value: value > 1}, [0, 2, "KeyError", 6]),
    ],
)
def test_those_calls_fail(shared, options, expected):
    with shared.fail_at(double, KeyError, **options):
        assert shared.call(outcomes, 4) == expected
    assert shared.call(outcomes, 4) == [0, 2, 4, 6]


def test_exception_has_its_arguments_and_attributes(shared):
    failure = OSError(errno.ENOSPC, "full", "/x")
    failure.shard = 7
    with shared.fail_at(double, failure), pytest.raises(OSError, match="full") as caught:
        shared.call(double, 1)
    assert (caught.value.errno, caught.value.filename, caught.value.shard) == (28, "/x", 7)


def test_group_of_exceptions_is_raised(shared):
    with (
        shared.fail_at(double, ExceptionGroup("two", [KeyError(1), ValueError(2)])),
        pytest.raises(ExceptionGroup, match="two") as caught,
    ):
        shared.call(double, 1)
    assert list(map(type, caught.value.exceptions)) == [KeyError, ValueError]


def test_exception_whose_class_takes_other_arguments_is_raised(shared):
    with (
        shared.fail_at(double, TwoArguments("shard", 7)),
        pytest.raises(TwoArguments, match="shard failed with 7") as caught,
    ):
        shared.call(double, 1)
    assert caught.value.code == 7


def test_each_call_raises_an_exception_of_its_own(shared):
    with shared.fail_at(double, KeyError(1), times=2):
        assert shared.call(same, 2) == (2, [None, None])


def test_traceback_shows_the_code_of_the_user_only(shared):
    with shared.fail_at(double, KeyError), pytest.raises(KeyError) as caught:
        shared.call(outcomes_of_one)
    shown = [
        step.name for step in caught.traceback if not step.frame.f_locals.get("__tracebackhide__")
    ]
    assert "outcomes_of_one" in shown
    assert not {"stop", "reach", "wait"} & set(shown)


def outcomes_of_one():
    return double(1)


def test_failpoint_that_no_call_comes_to_fails_at_the_end(shared):
    with (
        pytest.raises(PointNotReached, match="no call came to the entry of held_store:double"),
        shared.fail_at(double, KeyError),
    ):
        pass
    with shared.fail_at(double, KeyError, required=False):
        pass


def test_next_life_fails_too(peer):
    with peer.fail_at(double, KeyError):
        assert peer.call(outcomes, 2) == ["KeyError", 2]
        peer.restart()
        assert peer.call(outcomes, 2) == ["KeyError", 2]


def test_failpoint_can_be_waited_for(shared):
    with shared.fail_at(double, KeyError) as point:
        late = shared.submit(outcomes, 2)
        assert point.wait(LONG) == "double(value=0)"
        assert late.result(LONG) == ["KeyError", 2]


def test_point_held_before_a_failpoint_comes_first(shared):
    with shared.hold_at(double) as point, shared.fail_at(double, KeyError):
        late = shared.submit(outcomes, 1)
        point.wait(LONG)
        point.release()
        assert late.result(LONG) == ["KeyError"]


@pytest.mark.parametrize("exc", ["KeyError", 1, None, int])
def test_what_cannot_be_raised_is_refused(shared, exc):
    with pytest.raises(TypeError, match="expected an exception, or a class of exceptions"):
        shared.fail_at(double, exc)


@pytest.mark.parametrize("cls", [TwoArguments, ExceptionGroup])
def test_class_that_needs_arguments_is_refused(shared, cls):
    name = cls.__name__
    expected = rf"^{name} cannot be made without arguments: give an exception, as {name}\(\.\.\.\);"
    with pytest.raises(TypeError, match=expected):
        shared.fail_at(double, cls)
    with shared.hold_at(double) as point:
        held = shared.submit(double, 1)
        point.wait(LONG)
        with pytest.raises(TypeError, match=expected):
            point.fail(cls)
        point.fail(KeyError)
        assert isinstance(held.exception(LONG), KeyError)


@pytest.mark.parametrize("times", [0, -1, True, "1"])
def test_number_of_failures_is_checked(shared, times):
    with pytest.raises((TypeError, ValueError), match=r"^times: "):
        shared.fail_at(double, KeyError, times=times)
