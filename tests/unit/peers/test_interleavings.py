"""The orders of the steps of several sessions."""

from __future__ import annotations

from functools import partial

import pytest

from pytest_peer.peers.choreography.interleavings import interleavings


def begin() -> None: ...
def update() -> None: ...
def commit() -> None: ...


SESSIONS = {"s1": [begin, commit], "s2": [begin, commit]}


def texts(**sessions: list[object]) -> list[str]:
    return [str(order) for order in interleavings(**sessions)]  # type: ignore[arg-type]


def test_all_orders_of_two_sessions() -> None:
    assert texts(**SESSIONS) == [
        "s1.begin s1.commit s2.begin s2.commit",
        "s1.begin s2.begin s1.commit s2.commit",
        "s1.begin s2.begin s2.commit s1.commit",
        "s2.begin s1.begin s1.commit s2.commit",
        "s2.begin s1.begin s2.commit s1.commit",
        "s2.begin s2.commit s1.begin s1.commit",
    ]


@pytest.mark.parametrize(
    ("lengths", "count"), [((3, 3), 20), ((2, 2, 2), 90), ((1,), 1), ((1, 4), 5)]
)
def test_number_of_orders(lengths: tuple[int, ...], count: int) -> None:
    steps = [type(f"step{number}", (), {}) for number in range(4)]
    sessions = {f"s{number}": steps[:length] for number, length in enumerate(lengths)}
    orders = texts(**sessions)
    assert len(orders) == len(set(orders)) == count


def test_chosen_orders_keep_their_place() -> None:
    chosen = [
        "s2.begin s2.commit s1.begin s1.commit",
        "s1.begin  s2.begin\ns1.commit s2.commit",
    ]
    orders = interleavings(orders=chosen, **SESSIONS)
    assert [str(order) for order in orders] == [" ".join(each.split()) for each in chosen]


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("s1.begin s1.end", r"no step 's1.end' .* there are: s1.begin s1.commit s2.begin"),
        ("s1.begin s1.commit s2.begin", "step 's2.commit' is missing"),
        ("s1.begin s1.begin", "step 's1.begin' is twice"),
        ("s1.commit s1.begin s2.begin s2.commit", "steps of session 's1' not in their order"),
    ],
)
def test_order_that_is_none(order: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        interleavings(orders=[order], **SESSIONS)


def test_a_text_is_no_list_of_orders() -> None:
    with pytest.raises(TypeError, match="a list of texts"):
        interleavings(orders="s1.begin s1.commit", s1=[begin, commit])


def test_a_partial_has_the_name_of_its_function() -> None:
    assert texts(s1=[partial(partial(begin)), commit]) == ["s1.begin s1.commit"]


def test_step_twice_in_one_session() -> None:
    with pytest.raises(ValueError, match="session 's1' has two steps of the name 'begin'"):
        interleavings(s1=[begin, partial(begin)])


@pytest.mark.parametrize(
    ("sessions", "error", "message"),
    [
        ({}, ValueError, "expected sessions"),
        ({"s1": []}, ValueError, "session 's1' has no steps"),
        ({"s1": ["begin"]}, TypeError, "session 's1': expected functions, got 'begin'"),
    ],
)
def test_what_is_no_session(sessions: dict[str, list[object]], error: type, message: str) -> None:
    with pytest.raises(error, match=message):
        texts(**sessions)


def test_too_many_orders_are_refused_at_once() -> None:
    steps = [type(f"step{number}", (), {}) for number in range(12)]
    with pytest.raises(ValueError, match="2,704,156 orders: choose some of them by orders="):
        interleavings(s1=steps, s2=steps)


def test_repr_is_the_text_form_too() -> None:
    (order,) = interleavings(s1=[begin, commit])
    assert repr(order) == "<Interleaving s1.begin s1.commit>"
    assert repr(order.steps[1]) == "<Step s1.commit>"
