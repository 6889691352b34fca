"""Ids of tests name the interpreters."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_peer.plugin.interpreters import ids


@pytest.mark.parametrize(
    ("programs", "expected"),
    [
        ("python3.12 python3.13", "python3.12 python3.13"),
        ("/usr/bin/python3.12 /opt/bin/pypy3", "python3.12 pypy3"),
        ("/a/python /b/python pypy", "a-python b-python pypy"),
        ("python /usr/bin/python", "python usr-bin-python"),
    ],
)
def test_paths(programs, expected):
    assert " ".join(ids([[program] for program in programs.split()])) == expected


def test_words_of_a_command_are_joined():
    assert ids([["/bin/env", "A=1", "python"], ["python"]]) == ["env-A_1-python", "python"]


@given(st.lists(st.lists(st.text("ab/-. ü", max_size=60), min_size=1, max_size=4), max_size=6))
def test_ids_are_short_words(programs):
    found = ids(programs)
    assert len(found) == len(programs)
    for each in found:
        assert re.fullmatch(r"[A-Za-z0-9_.-]{1,40}", each)


def test_pytest_numbers_those_that_are_the_same(inner):
    inner.write("def test_it(peer_factory): pass")
    result = inner.run("--peer-exec=sh -c 'a?'", "--peer-exec=sh -c a!", "-v", "-k", "test_it")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["*sh-c-a0?*", "*sh-c-a1?*"])
