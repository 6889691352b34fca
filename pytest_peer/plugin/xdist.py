"""What a controller of pytest-xdist keeps of a worker that died: the worker has written down where its peers' artifacts are."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

import pytest

from . import settings

if TYPE_CHECKING:
    from .artifacts import CrashReport

#: What no report has told, but a session at its end: that of this process, or of a worker.
left_key: pytest.StashKey[list[CrashReport]] = pytest.StashKey[list["CrashReport"]]()


class Journal:
    """The places of a worker's peers, in a file that is there as long as there are any. Nothing here raises: a test does not
    fail for it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[Path, str] = {}
        self._lock = threading.Lock()  # peers are started on threads of their own

    def begun(self, test: str, place: Path) -> None:
        """A peer is about to be started."""
        with self._lock, contextlib.suppress(OSError):
            line = self._lines[place] = json.dumps({"test": test, "path": str(place)}) + "\n"
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)

    def ended(self, places: Iterable[Path]) -> None:
        """These peers are down, and their artifacts dealt with."""
        with self._lock, contextlib.suppress(OSError):
            for place in places:
                self._lines.pop(place, None)
            if self._lines:
                self._path.write_text("".join(self._lines.values()), encoding="utf-8")
            else:
                self._path.unlink(missing_ok=True)


def journal(config: pytest.Config) -> Journal | None:
    """That of this process, if it is a worker and there is a place for it."""
    root = settings.artifacts(config)
    given: dict[str, Any] | None = getattr(config, "workerinput", None)
    return Journal(_path(root, given)) if root is not None and given is not None else None


def _path(root: Path, given: dict[str, Any]) -> Path:
    # The ids of a run and of a worker in it: no other run's journal is ever taken for this one.
    return root / f".running-{given['testrunuid']}-{given['workerid']}"


def configure_worker(node: Any) -> None:
    """A worker is about to be started: it may have another directory, and take a relative path for another."""
    root = settings.artifacts(node.config)
    if root is not None:
        node.workerinput["peer_artifacts"] = str(root)
        left = _path(root, node.workerinput)
        node.config.add_cleanup(partial(_remove, left))  # the worker does it itself, if it can


def worker_ends(config: pytest.Config, told: CrashReport | None) -> None:
    """In the worker, at the end of its session: what no report has told."""
    output: dict[str, Any] | None = getattr(config, "workeroutput", None)
    if told is not None and output is not None:
        output["peer_aftermath"] = told


def worker_ended(node: Any) -> None:
    """In the controller."""
    told = getattr(node, "workeroutput", {}).get("peer_aftermath")
    if told is not None:
        node.config.stash.setdefault(left_key, []).append(told)


def worker_crashed(report: Any) -> None:
    """Keep the artifacts of all peers that the worker had, and have the report tell of those that ran."""
    node = report.node
    root = settings.artifacts(node.config)
    if root is None:
        return
    from . import artifacts
    from .keeping import Copies

    copies = Copies(root, report.nodeid)
    deaths = []
    for place in _places(_path(root, node.workerinput)):
        copies.take(place)
        with contextlib.suppress(OSError, ValueError):  # it was just being started
            peer = json.loads((place / "manifest.json").read_text(encoding="utf-8"))
            if peer["state"] != "down":
                kept = copies.kept(place)
                reason = f"ended with its worker {node.gateway.id}"
                deaths.append(
                    artifacts.death(report.nodeid, peer["name"], reason, peer["pid"], kept)
                )
    told = artifacts.told(deaths, copies.failures)
    if told is not None:
        report.peer_aftermath = told


def _places(path: Path) -> list[Path]:
    places = []
    with contextlib.suppress(OSError):
        for line in path.read_text(encoding="utf-8").splitlines():
            with contextlib.suppress(ValueError):  # it died while it wrote
                places.append(Path(json.loads(line)["path"]))
    return places


def _remove(path: Path) -> None:
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
