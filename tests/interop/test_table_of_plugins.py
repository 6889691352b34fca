"""The page about plugins has what pyproject.toml and these tests have."""

from __future__ import annotations

import re
import tomllib

from neighbours import PLUGINS
from paths import ROOT

NOT_IN_TABLE = {"django", "pytest-xdist"}


def rows() -> dict[str, tuple[str, str]]:
    page = (ROOT / "docs/how-to/plugins.md").read_text()
    found = re.findall(r"^\| ([a-z-]+) \| ([\d.]+) \| ([\d.]+) \|", page, re.MULTILINE)
    return {name: (oldest, newest) for name, oldest, newest in found}


def number(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_oldest_versions_are_those_of_the_group():
    groups = tomllib.loads((ROOT / "pyproject.toml").read_text())["dependency-groups"]
    group = dict(line.split(">=") for line in groups["interop"])
    expected = {name: oldest for name, oldest in group.items() if name not in NOT_IN_TABLE}
    assert {name: oldest for name, (oldest, _) in rows().items()} == expected


def test_newest_is_not_below_the_oldest():
    assert [name for name, (old, new) in rows().items() if number(new) < number(old)] == []


def test_every_plugin_of_these_tests_has_a_row():
    assert set(PLUGINS.values()) - NOT_IN_TABLE - rows().keys() == set()
