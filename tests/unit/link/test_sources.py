"""Source that only peers have is in linecache as long as a report may need it."""

from __future__ import annotations

import linecache

import pytest

from pytest_peer.link.protocol import tracebacks

WHOSE = "peer 'db' (pid 1)"


@pytest.fixture
def add(monkeypatch):
    monkeypatch.setattr(linecache, "cache", {})
    monkeypatch.setattr(tracebacks, "_sent", {})
    return tracebacks.add_sources


def test_lines_are_in_linecache(add):
    assert add({"no/such.py": {2: "two", 4: "four"}}, WHOSE) == {}
    assert [linecache.getline("no/such.py", number) for number in (2, 3, 4)] == [
        "two\n",
        "\n",
        "four\n",
    ]


def test_lines_that_come_later_are_added(add):
    add({"no/such.py": {1: "one"}}, WHOSE)
    assert add({"no/such.py": {2: "two"}}, WHOSE) == {}
    assert linecache.getlines("no/such.py") == ["one\n", "two\n"]


def test_file_that_is_the_same_here_is_not_touched(add):
    with open(__file__) as file:
        lines = dict(enumerate(file.read().splitlines(), 1))
    assert add({__file__: lines}, WHOSE) == {}
    assert linecache.cache[__file__][1] is not None  # with the time of the file on the disk


def test_file_that_is_another_here_has_another_name(add):
    other = f"{__file__} ({WHOSE})"
    assert add({__file__: {1: "other"}}, WHOSE) == {__file__: other}
    assert linecache.getline(other, 1) == "other\n"
    assert linecache.getline(__file__, 1) != "other\n"


def test_file_of_two_peers_that_differ(add):
    add({"no/such.py": {1: "one"}}, "peer 'a'")
    other = "no/such.py (peer 'b')"
    assert add({"no/such.py": {1: "another"}}, "peer 'b'") == {"no/such.py": other}


def test_file_that_has_changed_over_there(add):
    add({__file__: {1: "before"}}, WHOSE)
    add({__file__: {1: "after"}}, WHOSE)
    assert linecache.getline(f"{__file__} ({WHOSE})", 1) == "after\n"


def test_oldest_files_are_forgotten(add):
    for number in range(300):
        add({f"no/such{number}.py": {1: "one"}}, WHOSE)
    assert len(linecache.cache) == 200
    assert "no/such99.py" not in linecache.cache
    assert "no/such299.py" in linecache.cache
