"""Where a core dump is looked for, and why there is none."""

from __future__ import annotations

import dataclasses
import os
import struct
from pathlib import Path

import pytest
from hypothesis import given, strategies

from pytest_peer.evidence import core_dump
from pytest_peer.evidence.core_dump import Crashed, paths, reason_for_none

CRASHED = Crashed(pid=4711, cwd="/home/me", limit=0, started=0.0)
ELF_CORE = b"\x7fELF" + bytes(12) + struct.pack("<H", 4)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("core", "/home/me/core"),
        ("core.%p", "/home/me/core.4711"),
        ("/var/crash/%E.%s", "/var/crash/*.*"),
        ("/cores/%h-%P", "/cores/*-4711"),
        ("100%%-%p%", "/home/me/100*-4711*"),
        ("a[b]%p", "/home/me/a[[]b]4711"),
    ],
)
def test_paths(pattern: str, expected: str) -> None:
    assert paths(CRASHED, pattern) == [expected, f"{expected}.4711"]


def test_directory_may_have_special_characters_of_glob() -> None:
    crashed = dataclasses.replace(CRASHED, cwd="/tmp/test_it[spawn]")
    assert paths(crashed, "core")[0] == "/tmp/test_it[[]spawn]/core"


def test_newest_core_is_found(tmp_path: Path) -> None:
    for number, name in enumerate(("core", "core.4711", "core.4712")):
        (tmp_path / name).write_bytes(ELF_CORE)
        os.utime(tmp_path / name, (number, number))
    crashed = dataclasses.replace(CRASHED, cwd=str(tmp_path))
    assert core_dump._newest(crashed, "core") == tmp_path / "core.4711"


def test_core_that_is_older_than_the_process_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "core").write_bytes(ELF_CORE)
    os.utime(tmp_path / "core", (100, 100))
    crashed = dataclasses.replace(CRASHED, cwd=str(tmp_path), started=200.0)
    assert core_dump._newest(crashed, "core") is None


@given(strategies.text(strategies.characters(exclude_characters="\0")))
def test_no_pattern_is_an_error(pattern: str) -> None:
    assert reason_for_none(CRASHED, pattern).startswith("none")


def test_program_that_gets_the_cores_is_named() -> None:
    reason = reason_for_none(CRASHED, "|/usr/share/apport/apport -p%p")
    assert "/usr/share/apport/apport" in reason


def test_limit_that_forbids_cores_is_named_with_the_remedy() -> None:
    text = reason_for_none(CRASHED, "core")
    assert "ulimit -c unlimited" in text
    assert "/home/me/core" in text


@pytest.mark.parametrize("limit", [-1, 4096])
def test_limit_that_allows_cores_is_not_the_reason(limit: int) -> None:
    crashed = dataclasses.replace(CRASHED, limit=limit)
    assert "ulimit" not in reason_for_none(crashed, "core")
