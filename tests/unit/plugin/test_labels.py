"""A peer is shown by a short name, and in a colour of its own."""

from __future__ import annotations

import os

import pytest

from pytest_peer.plugin.labels import MARKUPS, Labels, candidates, markup_number

PID = os.getpid()


@pytest.mark.parametrize(
    ("name", "short"),
    [
        (f"test_shop-test_buy-3-{PID}", "test_buy"),
        (f"test_shop-db-3-{PID}", "db"),
        (f"test_shop-3-{PID}", "test_shop"),
        (f"test_the_shop-1e0200b1-_buys_a_book-3-{PID}", "buys_a_book"),
        (f"session-3-{PID}", "session"),
        ("rank-0", "rank-0"),
        (f"test_shop-db-3-{PID + 1}", f"test_shop-db-3-{PID + 1}"),
    ],
)
def test_short_name(name: str, short: str) -> None:
    assert candidates(name, "here", "test_shop")[0] == short


def test_labels_tell_all_peers_apart() -> None:
    labels = Labels()
    names = [f"test_shop-db-{number}-{PID}" for number in (1, 2, 3)] + ["db", "db-2"]
    shown = [labels.label(name, "here", "test_shop")[0] for name in names]
    assert shown == ["db", "db-2", "db-3", "db@here", "db-2@here"]


def test_label_stays_as_long_as_the_peer() -> None:
    labels = Labels()
    first = labels.label(f"m-db-1-{PID}", "here", "m")
    assert labels.label(f"m-db-1-{PID}", "here", "m") == first
    labels.keep([])
    assert labels.label(f"m-db-2-{PID}", "here", "m") == first


def test_colours_of_a_group_differ() -> None:
    labels = Labels()
    markups = [labels.label(f"rank-{each}", "here", "m")[1] for each in range(len(MARKUPS))]
    assert all(markup not in markups[:at] for at, markup in enumerate(markups))


def test_colour_is_the_same_in_each_run() -> None:
    assert markup_number("db", ()) == markup_number("db", ())
    assert markup_number("db", {markup_number("db", ())}) != markup_number("db", ())
