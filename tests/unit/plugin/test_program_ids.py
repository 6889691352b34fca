"""What ids of tests call the interpreters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_peer.plugin.program_ids import MAX_LENGTH
from pytest_peer.plugin.program_ids import ids


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ("python3.12 python3.13", "python3.12 python3.13"),
        ("/usr/bin/python3.12 /opt/bin/pypy3", "python3.12 pypy3"),
        ("/venvs/a/bin/python /venvs/b/bin/python", "a b"),
        ("/a/x/python /b/y/python /a/y/python", "a-x b-y a-y"),
        ("/opt/3.8.1/bin/python /opt/3.9.2/bin/python pypy", "3.8.1 3.9.2 pypy"),
        ("python /usr/bin/python", "python usr-bin-python"),
        ("/x/a/python /x/b/python a", "x-a-python b a"),
        ("./python python", ".-python python"),
    ],
)
def test_paths(programs, expected):
    assert " ".join(ids([[program] for program in programs.split()])) == expected


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        (["nice -n 10 python", "python"], ["nice-n-10-python", "python"]),
        (["env A=1 python", "env A=2 python"], ["env-A=1-python", "env-A=2-python"]),
        (["nice /v/a/bin/python", "nice /v/b/bin/python"], ["a", "b"]),
        (["uv run --with redis==5 python", "true"], ["uv-run-with-redis==5-python", "true"]),
    ],
)
def test_commands_of_several_words(programs, expected):
    assert ids([program.split() for program in programs]) == expected


def test_characters_that_cannot_be_in_an_id_are_replaced():
    assert ids([["/opt/my python[3]:ü"], ["sh", "-c", "$0"]]) == ["my_python_3_", "sh-c-_0"]


def test_what_is_the_same_without_them_gets_a_number():
    assert ids([["a b"], ["a?b"], ["a_b-2"]]) == ["a_b", "a_b-3", "a_b-2"]


def test_long_one_keeps_its_ends():
    (told,) = ids([["a" * 100 + "z"]])
    assert len(told) == MAX_LENGTH
    assert (told[0], told[-1]) == ("a", "z")


words = st.text("ab/-. ü", min_size=1, max_size=60)
commands = st.lists(st.lists(words, min_size=1, max_size=4), unique_by=tuple, max_size=6)


@given(commands)
def test_ids_tell_all_programs_apart(programs):
    found = ids(programs)
    assert len(set(found)) == len(programs) == len(found)


@given(commands)
def test_ids_are_short_words(programs):
    for each in ids(programs):
        assert re.fullmatch(r"[A-Za-z0-9_.=+-]+", each)
        assert len(each) <= MAX_LENGTH + len("-99")
