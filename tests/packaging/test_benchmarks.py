"""The benchmarks run where only the package is installed; their figures are not tested."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

COMPARE = Path(__file__).parents[2] / "benchmarks" / "compare.py"
#: Those that are always there. Each takes its time, and the others more.
SYSTEMS = ["peer*", "execnet", "multiprocessing*", "floor"]


def compare(
    *arguments: object, env: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, COMPARE, *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=150, env=env)


@pytest.mark.timeout(180)  # many processes, and the machine may be busy
def test_a_quick_round_fills_the_table(tmp_path):
    written = tmp_path / "table.md"
    result = compare("--quick", "--systems", *SYSTEMS, "--markdown", written)
    assert result.returncode == 0, result.stderr
    assert written.read_text() == result.stdout
    title, rule, *rows = [line for line in result.stdout.splitlines() if line.startswith("|")]
    columns = [cell.strip() for cell in title.split("|")]
    assert set(rule) == {"|", " ", "-"}
    assert len(rows) > 20
    for row in rows:
        cells = dict(zip(columns, [cell.strip() for cell in row.split("|")], strict=True))
        if "memory" not in row:  # not every system tells
            assert cells["peer spawn"], row


@pytest.mark.parametrize("name", ["trips", "many*"])
def test_only_what_is_named_is_measured(name):
    result = compare("--list", "--only", name)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == {"trips": ["trips"], "many*": ["many-20", "many-100"]}[name]


def test_a_missing_system_says_why():
    nowhere = {**os.environ, "PATH": ""}
    result = compare("--quick", "--only", "boot", "--systems", "Erlang*", "floor", env=nowhere)
    assert result.returncode == 0, result.stderr
    assert "erl: not installed" in result.stdout
