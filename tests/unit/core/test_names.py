"""Names of peers: generated and checked."""

from __future__ import annotations

import os
import re

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_peer import random_name
from pytest_peer.core import names

ALLOWED = re.compile(r"[A-Za-z0-9_.-]{1,63}")


def test_random_name_is_prefix_number_and_pid() -> None:
    assert re.fullmatch(rf"db-\d+-{os.getpid()}", random_name("db"))


def test_random_name_has_a_default_prefix() -> None:
    assert random_name().startswith("peer-")


def test_random_names_differ() -> None:
    assert len({random_name("db") for _ in range(100)}) == 100


@given(st.text(max_size=200))
@example("")
@example("___")
@example("\udc80")
def test_random_name_of_any_prefix_is_a_valid_name(prefix: str) -> None:
    name = random_name(prefix)
    assert ALLOWED.fullmatch(name)
    assert names.checked(name) == name


def test_random_name_keeps_both_ends_of_a_long_prefix() -> None:
    name = random_name("first" + "x" * 100 + "last")
    assert name.startswith("first")
    assert "last-" in name


def test_random_name_leaves_no_foreign_character() -> None:
    assert random_name("a b/c[1]").startswith("a_b_c_1-")


@given(st.text(max_size=100), st.integers(min_value=20, max_value=63))
@example("\udc80", 20)
def test_slug_is_empty_or_a_valid_name_within_the_limit(text: str, limit: int) -> None:
    word = names.slug(text, limit)
    assert len(word) <= limit
    assert word == "" or names.checked(word) == word


def test_slug_leaves_a_short_name_as_it_is() -> None:
    assert names.slug("x" * 29 + "-", 30) == "x" * 29
    assert names.slug("test_a.py--b", 30) == "test_a.py--b"


def test_slugs_of_long_texts_that_differ_in_the_middle_differ() -> None:
    one, other = ("a" * 50 + middle + "b" * 50 for middle in "12")
    assert names.slug(one, 40) != names.slug(other, 40)


@pytest.mark.parametrize("name", ["a", "rank-0", "test_x-db-1-4711", "a.b_c-D9", "x" * 63])
def test_valid_name_is_accepted(name: str) -> None:
    assert names.checked(name) == name


@pytest.mark.parametrize("name", ["", "a b", "a/b", "a@b", "a\n", "ä", ".", "..", "x" * 64, "a\0b"])
def test_wrong_name_is_refused_and_quoted(name: str) -> None:
    with pytest.raises(ValueError, match="name") as caught:
        names.checked(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", [None, 1, b"a"])
def test_name_of_a_wrong_type_is_refused_and_quoted(name: object) -> None:
    with pytest.raises(TypeError, match="name") as caught:
        names.checked(name)
    assert repr(name) in str(caught.value)
