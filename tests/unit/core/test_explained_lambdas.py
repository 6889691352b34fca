"""The failure of `eventually` and `still` shows a lambda's source, and the values in it."""

from __future__ import annotations

from typing import Any

import pytest
from inner_pytest import Inner

from pytest_peer import eventually, still
from pytest_peer.core.explained import described

ITEMS = [1, 2]


class Store:
    def __init__(self) -> None:
        self.leader = "a"
        self.__term = 3

    def reached(self) -> bool:
        return eventually(lambda: self.__term == 4, timeout=0)


def failure(fn: Any) -> str:
    with pytest.raises(AssertionError) as caught:
        eventually(fn, timeout=0)
    return str(caught.value)


def test_source_and_values_are_shown() -> None:
    expected = 3
    text = failure(lambda: len(ITEMS) == expected)
    assert text.splitlines() == [
        "lambda: len(ITEMS) == expected is still false after 0 s and 1 attempts",
        "assert 2 == 3",
        " +  where 2 = len([1, 2])",
    ]


def test_attributes_and_both_sides_of_and_are_shown() -> None:
    store = Store()
    text = failure(lambda: ITEMS and store.leader == "b")
    assert "'a' == 'b'" in text
    assert ".leader" in text


def test_differences_are_those_of_an_assert() -> None:
    assert "At index 1 diff: 2 != 3" in failure(lambda: ITEMS == [1, 3])


def test_right_one_of_two_lambdas_in_a_line_is_shown() -> None:
    first, second = (lambda: ITEMS == [1]), (lambda: ITEMS == [2])
    assert "ITEMS == [1]" in failure(first)
    assert "ITEMS == [2]" in failure(second)


def test_lambda_of_several_lines_is_shown_in_one() -> None:
    text = failure(
        lambda: (
            len(ITEMS) == 3  # a comment
        )
    )
    assert text.startswith("lambda: ( len(ITEMS) == 3")


def test_each_value_is_computed_once() -> None:
    calls: list[int] = []
    assert "assert (None or False)" in failure(lambda: calls.append(1) or False)  # type: ignore[func-returns-value]
    assert calls == [1]


@pytest.mark.parametrize("value", [1, "leader", [0], None])
def test_last_attempt_returns_the_value(value: object) -> None:
    assert eventually(lambda: value, timeout=0) is value


def test_default_values_stay() -> None:
    assert eventually(lambda items=ITEMS, *, more=3: [*items, more], timeout=0) == [1, 2, 3]


def test_names_of_a_class_s_own_are_not_explained() -> None:
    with pytest.raises(AssertionError, match=r"lambda: self.__term == 4 still returned False"):
        Store().reached()


def test_assert_in_a_function_is_explained_as_itself() -> None:
    def check() -> None:
        assert ITEMS == [3]

    text = failure(lambda: check())
    assert "lambda" not in text.splitlines()[0]
    assert "[1, 2] == [3]" in text


def test_what_is_no_lambda_is_named() -> None:
    assert described(len) == repr(len)
    assert "still returned []" in failure(list)


def test_lambda_without_a_file_is_named() -> None:
    fn = eval("lambda: 0")
    assert failure(fn).startswith(f"{fn!r} still returned 0")


def test_still_shows_the_values_too() -> None:
    rest = [3, 2, 1, 0]
    with pytest.raises(AssertionError, match=r"lambda: rest.pop\(0\) > 1 is false after") as caught:
        still(lambda: rest.pop(0) > 1, for_=30)
    assert "assert 1 > 1" in str(caught.value)
    assert rest == [0]


def test_lambda_in_a_peer_is_explained_too(shared: Any) -> None:
    with pytest.raises(AssertionError, match=r"(?s)lambda: len\(ITEMS\) == 3.*assert 2 == 3"):
        shared.call(eventually, lambda: len(ITEMS) == 3, 0)


def test_traceback_ends_at_the_line_of_the_test(inner: Inner) -> None:
    inner.write("""
        from pytest_peer import eventually, still

        def test_eventually(peer):
            eventually(lambda: peer.pid == 0, timeout=0.01)

        def test_still(peer):
            still(lambda: peer.pid == 0, for_=0.01)
        """)
    result = inner.run()
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            ">*eventually(lambda: peer.pid == 0, timeout=0.01)",
            "E*AssertionError: lambda: peer.pid == 0 is still false after 0.01 s and*",
            "E*assert * == 0",
            "E*where * = <Peer *>.pid",
            "test_inner.py:8: AssertionError",
        ]
    )
    result.stdout.no_fnmatch_line("*eventually.py*")
