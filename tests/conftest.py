"""Fixtures that tests share; the leak guard is in the root conftest."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from gates import Gate
from inner_pytest import Inner, load_only
from origin_programs import said_by
from processes import running

from pytest_peer import Peer

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


@pytest.fixture(scope="module")
def shared(module_peer_factory: Any) -> Peer:
    """For tests that leave nothing running."""
    return module_peer_factory()


@pytest.fixture
def booting(peer_factory: Any, gate: Gate) -> Peer:
    return peer_factory(exec=gate.launcher(), wait_boot=False)


@pytest.fixture
def dead(peer_factory: Any) -> Peer:
    peer = peer_factory()
    peer.kill()
    return peer


@pytest.fixture
def mortal(peer_factory: Any) -> Peer:
    """A peer whose death fails no test."""
    return peer_factory(name="mortal", peer_down="continue")


@pytest.fixture
def run(tmp_path: Path) -> Callable[..., list[str]]:
    """`said_by`, with a place of the test's own."""
    return partial(said_by, tmp_path)


@pytest.fixture
def pytester(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """pytest's own, without the plugins of tests/interop, which leave threads in this process."""
    load_only(monkeypatch, "peer", "timeout", "xdist")
    return pytester


@pytest.fixture
def inner(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Iterator[Inner]:
    """A directory for tests that run in a pytest of their own."""
    load_only(monkeypatch, "peer", "timeout")
    for name in list(os.environ):
        if name.startswith("PYTEST_XDIST"):
            monkeypatch.delenv(name)
    inner = Inner(pytester)
    yield inner
    for pid in running(inner.pids()):  # the test has failed
        os.kill(pid, signal.SIGKILL)


#: Now: `pytester` gives a test another home.
_PYENV = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))


@pytest.fixture(scope="session")
def requires_python() -> Callable[[str], str]:
    """Return a function that finds the interpreter of a version like ``"3.8"``, or skips.

    In CI a missing one is a failure.
    """
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
