"""Plugins that run each test in a process of its own.

They have an environment of their own, because pytest 9.2 is too new for them.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from rounds import Missing
from systems.system import System

ENVIRONMENT = Path(__file__).parents[1] / ".venv"
REQUIREMENTS = ["pytest==9.1.1", "pytest-forked", "pytest-isolate"]


def make_environment() -> None:
    """Install these plugins into their environment, unless it exists."""
    if _python().exists():
        return
    subprocess.run([sys.executable, "-m", "venv", ENVIRONMENT], check=True)
    subprocess.run([_python(), "-m", "pip", "install", "-qq", *REQUIREMENTS], check=True)


def _python() -> Path:
    return ENVIRONMENT / "bin" / "python"


class Isolation(System):
    """One of these plugins."""

    offers = frozenset(["suite"])

    def __init__(self, name: str, argument: str) -> None:
        self.name = name
        self._argument = argument

    def pytest(self) -> list[str]:
        """Return the beginning of a command line that runs each test in a process."""
        if not _python().exists():
            raise Missing("not installed: --make-venv")
        return [str(_python()), "-m", "pytest", self._argument]
