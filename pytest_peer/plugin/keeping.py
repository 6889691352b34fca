"""The copies that ``--peer-artifacts DIR`` makes."""

from __future__ import annotations

import itertools
import shutil
from pathlib import Path

from . import retention


class Copies:
    """Those of one run of a test, in ``<root>/<test>``; a second run of it, a rerun, gets ``<test>.2``.

    Nothing is made before there is something to copy. What somebody else has made, an earlier run for one, is left alone.
    """

    def __init__(self, root: Path, nodeid: str) -> None:
        self._root = root
        self._nodeid = nodeid
        self._directory: Path | None = None
        self._made: dict[Path, Path] = {}
        #: What could not be copied, and why.
        self.failures: list[str] = []

    def take(self, place: Path) -> None:
        """Copy a peer's directory, over an earlier copy of it; never raises."""
        from ..evidence.copying import copy_directory

        if not place.is_dir():
            return  # the test, or pytest, has removed it; an earlier copy stays
        try:
            if self._directory is None:
                self._root.mkdir(parents=True, exist_ok=True)
                self._directory = _new(self._root, retention.directory_name(self._nodeid))
            if place not in self._made:
                self._made[place] = _new(self._directory, place.name)
            self.failures += copy_directory(place, self._made[place])
        except OSError as exc:
            self.failures.append(f"{place}: {exc}")

    def kept(self, place: Path) -> Path:
        """Where to look for what was in a peer's directory: in the copy, if there is one."""
        return self._made.get(place, place)

    def remove(self) -> None:
        """They are not wanted."""
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
        self._directory = None
        self._made.clear()
        self.failures.clear()


def _new(parent: Path, name: str) -> Path:
    """A new directory of that name; with a number if somebody has it, another process too."""
    for number in itertools.count(1):
        path = parent / (name if number == 1 else f"{name}.{number}")
        try:
            path.mkdir()
        except FileExistsError:
            continue
        return path
    raise AssertionError
