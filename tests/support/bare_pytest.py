"""Runs of pytest in pytest that load the plugins they need: to import all that are installed takes longer than most tests do."""

from __future__ import annotations

import pytest


def load_only(monkeypatch: pytest.MonkeyPatch, *plugins: str) -> None:
    """From now on runs of pytest in processes of their own load these plugins, named as after ``-p``."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv(
        "PYTEST_ADDOPTS", " ".join(f"-p {plugin}" for plugin in (*plugins, "no:cacheprovider"))
    )
