"""Modules that only the origin has, and peers that cannot see their files."""

from __future__ import annotations

import os
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from away import away


class Origin:
    """A directory in front of ``sys.path``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, source: str | bytes = "") -> Path:
        """Write a file there, in directories that it makes."""
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        data = textwrap.dedent(source).encode() if isinstance(source, str) else source
        file.write_bytes(data)
        return file


def modules_in(directory: Path) -> Iterator[str]:
    for name, module in list(sys.modules.items()):
        places = [getattr(module, "__file__", None), *getattr(module, "__path__", ())]
        if isinstance(module, ModuleType) and any(
            str(place).startswith(f"{directory}/") for place in places
        ):
            yield name


@pytest.fixture
def origin(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Origin]:
    directory = tmp_path / "origin"
    directory.mkdir()
    monkeypatch.syspath_prepend(directory)
    yield Origin(directory)
    for name in list(modules_in(directory)):
        del sys.modules[name]


@pytest.fixture
def far(origin, peer_factory, requires_python):
    """Return a function that starts a peer which does not see the origin's modules.

    Another Python version has nothing installed.
    """

    def start(version: str | None = None, **options):
        python = requires_python(version) if version else os.path.realpath(sys.executable)
        return peer_factory(**away(origin.path, python), **options)

    return start
