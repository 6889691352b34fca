"""A peer is shown by a short name, and in a colour of its own."""

from __future__ import annotations

import os

import pytest

from pytest_peer.plugin.labels import MARKUPS, Labels, markup_number, short, titles

PID = os.getpid()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (f"test_shop-test_buy-3-{PID}", "test_buy-3"),
        (f"test_shop-db-3-{PID}", "db-3"),
        (f"test_shop-3-{PID}", "test_shop-3"),
        (f"test_the_shop-1e0200b1-_buys_a_book-3-{PID}", "buys_a_book-3"),
        (f"session-3-{PID}", "session-3"),
        ("rank-0", "rank-0"),
        (f"test_shop-db-3-{PID + 1}", f"test_shop-db-3-{PID + 1}"),
    ],
    ids=["test", "given", "module", "cut", "session", "own", "of-another-process"],
)
def test_short_name(name: str, expected: str) -> None:
    assert short(name, "test_shop") == expected


def test_without_a_module_it_loses_the_process() -> None:
    assert short(f"a-b-1-{PID}", "") == "a-b-1"


def test_name_of_another_stays_that_of_the_other() -> None:
    name = f"m-db-1-{PID}"
    assert titles([name, "db-1"], "m") == {name: name, "db-1": "db-1"}


def test_names_that_would_become_equal_stay_whole() -> None:
    names = [f"m-db-1-{PID}", f"db-1-{PID}"]
    assert titles(names, "m") == {name: name for name in names}


def test_labels_tell_all_peers_apart() -> None:
    labels = Labels()
    names = [f"test_shop-db-{number}-{PID}" for number in (1, 2)] + ["db", "db-2"]
    shown = [labels.label(name, "here", "test_shop")[0] for name in names]
    assert shown == ["db-1", "db-2", "db", "db-2@here"]


def test_label_stays_as_long_as_the_peer() -> None:
    labels = Labels()
    first = labels.label("db", "here", "m")
    assert labels.label("db", "here", "m") == first
    labels.keep([])
    assert labels.label("db", "here", "m") == first


def test_colours_of_a_group_differ() -> None:
    labels = Labels()
    markups = [labels.label(f"rank-{each}", "here", "m")[1] for each in range(len(MARKUPS))]
    assert all(markup not in markups[:at] for at, markup in enumerate(markups))


def test_colour_is_the_same_in_each_run() -> None:
    assert markup_number("db", ()) == markup_number("db", ())
    assert markup_number("db", {markup_number("db", ())}) != markup_number("db", ())
