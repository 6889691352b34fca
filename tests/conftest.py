"""What the tests have in common; the leak guard is in the root conftest."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from collections.abc import Iterator
from pathlib import Path

import pytest
from gates import Gate

pytest.register_assert_rewrite("stopping")  # its assertions show values like those of a test


@pytest.fixture
def gate(tmp_path: Path) -> Iterator[Gate]:
    """A gate, closed."""
    gate = Gate(tmp_path / "gate")
    yield gate
    gate.close()


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """A function that makes a shell script."""

    def make(script: str) -> Path:
        path = tmp_path / "program"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
        return path

    return make


#: Now: `pytester` gives a test another home.
_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))


@pytest.fixture(scope="session")
def requires_python() -> Callable[[str], str]:
    """A function that finds the interpreter of a version like ``"3.8"``, or skips; in CI that is a failure."""
    return _found_python


def _found_python(version: str) -> str:
    found = sorted(_PYENV.glob(f"versions/{version}.*/bin/python"))
    program = str(found[-1]) if found else shutil.which(f"python{version}")
    if program is None:
        reason = f"no Python {version} on this machine"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    return program
