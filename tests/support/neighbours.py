"""The plugins beside which `tests/interop` runs tests with peers."""

from __future__ import annotations

import os
from importlib.metadata import PackageNotFoundError, version

import pytest
from inner_pytest import load_only

#: Distributions, by what is written after ``-p``.
PLUGINS = {
    "allure_pytest": "allure-pytest",
    "anyio": "anyio",
    "asyncio": "pytest-asyncio",
    "check": "pytest-check",
    "django": "pytest-django",
    "html": "pytest-html",
    "hypothesispytest": "hypothesis",
    "instafail": "pytest-instafail",
    "pytest-bdd": "pytest-bdd",
    "pytest_jsonreport": "pytest-json-report",
    "pytest_mock": "pytest-mock",
    "randomly": "pytest-randomly",
    "rerunfailures": "pytest-rerunfailures",
    "rich": "pytest-rich",
    "subtests": "pytest-subtests",
    "sugar": "pytest-sugar",
    "timeout": "pytest-timeout",
    "trio": "pytest-trio",
    "xdist": "pytest-xdist",
}
#: What some of them need beside themselves.
NEEDED = {"html": ("html_fixtures", "metadata"), "pytest_jsonreport": ("metadata",)}


def load_beside_peer(monkeypatch: pytest.MonkeyPatch, *plugins: str) -> None:
    """Have later runs of pytest load these plugins and this project's; skip where one is missing.

    In CI a missing one is a failure.
    """
    for plugin in plugins:
        try:
            version(PLUGINS[plugin])
        except PackageNotFoundError:
            reason = f"{PLUGINS[plugin]} is not installed"
            if os.environ.get("CI") == "true":
                pytest.fail(reason)
            pytest.skip(reason)
    needed = [each for plugin in plugins for each in NEEDED.get(plugin, ())]
    load_only(monkeypatch, "peer", *needed, *plugins)
