"""Where a core is expected, and why there is none."""

from __future__ import annotations

import dataclasses
import socket

import pytest
from hypothesis import given
from hypothesis import strategies

from pytest_peer.evidence.core_dump import Crashed
from pytest_peer.evidence.core_dump import place
from pytest_peer.evidence.core_dump import reason_for_none

CRASHED = Crashed(
    pid=4711, signal=11, executable="/usr/bin/python3", cwd="/home/me", limit=0, started=0.0
)


@pytest.mark.parametrize(
    ("pattern", "uses_pid", "expected"),
    [
        ("core\n", False, "/home/me/core"),
        ("core", True, "/home/me/core.4711"),
        ("core.%p", False, "/home/me/core.4711"),
        ("core.%p", True, "/home/me/core.4711"),
        ("", True, "/home/me/.4711"),
        ("", False, ""),
        ("/var/crash/%E.%s", False, "/var/crash/!usr!bin!python3.11"),
        ("/cores/%h-%P", False, f"/cores/{socket.gethostname()}-4711"),
        ("core-%e-%t", False, "/home/me/core-*-*"),
        ("100%%-%p%", False, "/home/me/100%-4711"),
        ("a[b]%p", False, "/home/me/a[[]b]4711"),
        ("|/usr/lib/systemd/systemd-coredump %P", False, ""),
    ],
)
def test_place(pattern: str, uses_pid: bool, expected: str) -> None:
    assert place(pattern, uses_pid, CRASHED) == expected


def test_directory_may_have_special_characters_of_glob() -> None:
    crashed = dataclasses.replace(CRASHED, cwd="/tmp/test_it[spawn]")
    assert place("core", False, crashed) == "/tmp/test_it[[]spawn]/core"


@given(strategies.text(strategies.characters(exclude_characters="\0")), strategies.booleans())
def test_no_pattern_is_an_error(pattern: str, uses_pid: bool) -> None:
    expected = place(pattern, uses_pid, CRASHED)
    assert reason_for_none(pattern, 0, expected).startswith("none")


def test_program_that_gets_the_cores_is_named() -> None:
    assert "/usr/share/apport/apport" in reason_for_none("|/usr/share/apport/apport -p%p", 0, "")


def test_limit_that_forbids_cores_is_told_with_the_remedy() -> None:
    text = reason_for_none("core", 0, "/home/me/core")
    assert "ulimit -c unlimited" in text
    assert "/home/me/core" in text


@pytest.mark.parametrize("limit", [-1, 4096])
def test_limit_that_allows_cores_is_not_the_reason(limit: int) -> None:
    assert "ulimit" not in reason_for_none("core", limit, "/home/me/core")
