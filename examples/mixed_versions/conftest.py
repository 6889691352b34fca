"""Interpreters with different versions of a library, each in a virtual environment of its own."""

from __future__ import annotations

import functools
import importlib.util
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path

import pytest
from filelock import FileLock

PATIENCE = 45  # seconds for an installation


@pytest.fixture(scope="session")
def python_with(pytestconfig: pytest.Config) -> Callable[[str], Path]:
    """Return a function that returns an interpreter with only a requirement installed.

    The requirement is like ``"semver==2.13.0"``. The environment is made once and kept in pytest's
    cache. If the installation fails, the test is skipped; in CI it fails.
    """
    version = f"{sys.implementation.name}-{sys.version_info.major}.{sys.version_info.minor}"
    cache = pytestconfig.cache.mkdir("environments")

    @functools.cache
    def made(requirement: str) -> tuple[Path, str]:
        environment = cache / f"{requirement}-{version}"
        ready = environment / "ready"
        python = environment / "bin" / "python"
        with FileLock(f"{environment}.lock"):  # workers of pytest-xdist may want the same
            if ready.exists() and python.exists():
                return python, ""
            venv.create(environment, clear=True, symlinks=True)
            obstacle = install(requirement, python)
            if not obstacle:
                ready.touch()
            return python, obstacle

    def find(requirement: str) -> Path:
        python, obstacle = made(requirement)
        if obstacle:
            give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
            give_up(f"{requirement} cannot be installed: {obstacle}")
        return python

    return find


def install(requirement: str, python: Path) -> str:
    """Install a requirement; return why it failed, or an empty string."""
    if importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "--python", str(python), "--retries=1", "install"]
    elif uv := shutil.which("uv"):
        command = [uv, "pip", "install", "--python", str(python)]
    else:
        return "neither pip nor uv is here"
    command += ["--quiet", requirement]
    try:
        ended = subprocess.run(command, timeout=PATIENCE, capture_output=True, text=True)
    except subprocess.TimeoutExpired as exc:
        return str(exc)
    return ended.stderr or ended.stdout if ended.returncode else ""
