"""The directory in which a peer's evidence is kept."""

from __future__ import annotations

import itertools
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path


def new(parent: Path, name: str, make: Callable[[Path], object] = Path.mkdir) -> Path:
    """Make ``<parent>/<name>``, or ``<name>.2`` and so on if that exists; return the path.

    No two callers get the same path, in other processes either.

    :param make: makes a directory, or something else that raises FileExistsError.
    :raises OSError: it cannot be made.
    """
    parent.mkdir(parents=True, exist_ok=True)
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}.{number}")
        try:
            make(path)
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
            self.path = new(parent, name)
        #: The test that ran when the peer was started.
        self.test: str | None = None

    def write_manifest(self, text: str) -> None:
        """Write ``manifest.json`` in one step: a reader sees the old text or the new one."""
        target = os.path.join(self.path, "manifest.json")
        half = f"{target}.new"
        with open(half, "w", encoding="utf-8") as file:
            file.write(text)
        os.replace(half, target)

    def discard(self) -> None:
        """Remove a temporary directory; one that the user asked for stays."""
        if self.temporary:
            shutil.rmtree(self.path, ignore_errors=True)
