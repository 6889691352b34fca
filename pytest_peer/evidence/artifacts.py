"""The directory in which a peer's evidence is kept."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from pathlib import Path


def new_directory(parent: Path, name: str) -> Path:
    """Make the directory ``<parent>/<name>``, or ``<name>.2`` and so on if that exists.

    No two callers get the same directory, in other processes either.

    :raises OSError: it cannot be made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}.{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise AssertionError("the loop has no end")


class Artifacts:
    """`path` holds ``stdout.log``, ``stderr.log`` and ``manifest.json`` of one life of a peer."""

    def __init__(self, parent: Path | None, name: str) -> None:
        """Make a new directory in `parent`, or a temporary one.

        :raises OSError: it cannot be made.
        """
        #: Whether `discard` removes it.
        self.temporary: bool = parent is None
        if parent is None:
            self.path: Path = Path(tempfile.mkdtemp(prefix=f"pytest-peer-{name}-"))
        else:
            self.path = new_directory(parent, name)
        #: The test that ran when the peer was started.
        self.test: str | None = None

    def write_manifest(self, text: str) -> None:
        """Write ``manifest.json`` in one step: readers see the whole old text or the whole new one."""
        target = os.path.join(self.path, "manifest.json")
        half = f"{target}.new"
        with open(half, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(half, target)

    def discard(self) -> None:
        """Remove a temporary directory; one that the user asked for stays."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)
