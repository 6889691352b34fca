"""Every test file is in one of the folders, and names of tests fit into a report."""

from __future__ import annotations

import ast
from collections import Counter

import pytest
from paths import ROOT

TESTS = ROOT / "tests"
FOLDERS = {"features", "interop", "launchers", "packaging", "robustness", "unit"}
FILES = sorted(TESTS.rglob("test_*.py"))
LONGEST_NAME = 60


def test_test_files_are_in_the_folders():
    assert {path.relative_to(TESTS).parts[0] for path in FILES} == FOLDERS


def test_names_of_test_files_are_unique():
    """pytest imports them by these names."""
    assert [name for name, times in Counter(path.name for path in FILES).items() if times > 1] == []


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_names_of_tests_are_short(path):
    names = [
        node.name
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))
    ]
    assert [name for name in names if name.startswith("test_") and len(name) > LONGEST_NAME] == []
