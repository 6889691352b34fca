"""The directory in which a peer's evidence is kept."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path


class Artifacts:
    """`path` holds ``stdout.log``, ``stderr.log`` and ``manifest.json`` of one life of a peer."""

    def __init__(self, path: Path, *, temporary: bool = False) -> None:
        self.path = path
        #: The test that ran when the peer was started.
        self.test: str | None = None
        self._temporary = temporary
        path.mkdir(parents=True, exist_ok=True)

    @classmethod
    def below(cls, parent: Path | None, name: str) -> Artifacts:
        """A new directory ``<parent>/<name>``, or ``<name>.2`` and so on if that is taken; no parent: a temporary one."""
        if parent is None:
            return cls(Path(tempfile.mkdtemp(prefix=f"pytest-peer-{name}-")), temporary=True)
        path, number = parent / name, 1
        while path.exists():
            number += 1
            path = parent / f"{name}.{number}"
        return cls(path)

    def write_manifest(self, text: str) -> None:
        """Write ``manifest.json`` in one step, so that nobody ever reads half of it."""
        target = os.path.join(self.path, "manifest.json")
        half = f"{target}.new"
        with open(half, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(half, target)

    def discard(self) -> None:
        """Remove a temporary directory; one that was asked for is kept."""
        if self._temporary:
            shutil.rmtree(self.path, ignore_errors=True)
