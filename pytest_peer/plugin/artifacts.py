"""``--peer-artifacts DIR``, and the peers of a test that went down unasked.

The artifacts of a test's peers are in ``DIR/<test>`` from the start, and are removed if the test
passes. A peer of a wider scope has its own in ``DIR/<scope>``; each test during which it runs gets
a link to them. They are removed with the scope if no such test is kept.
"""

import contextlib
import os
import shutil
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from ..core.locks import Lock
from ..core.names import slug
from ..evidence.artifacts import new
from ..peers.lifecycle import PeerLife
from . import settings
from .session import CrashReport, retention_key, running_key

#: Of a directory's name. File systems allow 255 bytes, some 143, and below it are more names.
_MOST_CHARACTERS = 100


@dataclass
class TestRun:
    """One run of a test; a rerun is another."""

    nodeid: str
    outcomes: dict[str, str] = field(default_factory=dict)
    deaths: list[PeerLife] = field(default_factory=list)  # that nobody asked for
    over: bool = False  # its artifacts have been kept or removed
    made: Path | None = None  # ``DIR/<test>``, when there is something to put there
    #: Links in that directory, by the artifacts of wider scopes to which they lead.
    links: dict[Path, Path] = field(default_factory=dict)
    #: What is of no use, even in ``tmp_path``, unless the artifacts are kept.
    files: list[Path] = field(default_factory=list)


class ArtifactRetention:
    """Keep or remove the artifacts of the tests of this process, one test after the other."""

    def __init__(self, root: Path | None, mark: Path | None, nodeid: str) -> None:
        self._root = root  # ``--peer-artifacts DIR``
        self._mark = mark  # of an xdist worker
        self.run: TestRun = TestRun(nodeid)
        self._lock = Lock()  # peers boot on threads of their own
        #: Links to directories in ``DIR`` from where these would be without it.
        self._local: dict[Path, Path] = {}
        self._kept: set[Path] = set()  # of wider scopes, to which a kept test has a link
        #: Those of the wider scopes that ended during this test.
        self.closed: list[Path] = []

    def begin(self, nodeid: str, running: Iterable[Path]) -> None:
        """Begin a test, during which the peers with those artifacts run."""
        self.run = TestRun(nodeid)
        for path in running:
            self.used(path)

    def directory(self, local: Path, scope: str) -> Path:
        """Return that of a wider scope, or of the test; with ``DIR``, `local` is a link to it."""
        if self._root is None:
            return local
        directory = new(self._root, scope) if scope else self._of_test(self.run, self._root)
        with contextlib.suppress(OSError):  # the user has made something there
            if local.is_symlink():
                local.unlink()
            local.parent.mkdir(parents=True, exist_ok=True)
            local.symlink_to(directory)
            self._local[directory] = local
        return directory

    def used(self, path: Path) -> None:
        """Add the artifacts of a wider scope's peer to those of the running test; never raises."""
        run = self.run
        if self._root is None or run.over:
            return
        with contextlib.suppress(OSError), self._lock:
            directory = self._of_test(run, self._root)
            if path not in run.links:
                target = os.path.relpath(path, directory)
                run.links[path] = new(directory, path.name, lambda p: p.symlink_to(target))

    def _of_test(self, run: TestRun, root: Path) -> Path:
        """Return ``DIR/<test>``, or ``DIR/<test>.2`` for a rerun; make it if necessary."""
        with self._lock:
            if run.made is None:
                run.made = new(root, directory_name(run.nodeid))
            if self._mark is not None:
                with contextlib.suppress(OSError):  # it is there
                    self._mark.symlink_to(run.made.name)
            return run.made

    def phase_over(self, when: str, outcome: str) -> list[CrashReport]:
        """Note the outcome of a phase of the test; return its crashes when it is over."""
        outcomes = self.run.outcomes
        if outcomes.get(when) != "failed":  # of a subtest
            outcomes[when] = outcome
        return self.finish() if when == "teardown" else []

    def finish(self) -> list[CrashReport]:
        """End the test, or the session; return the crashes since the last time."""
        run = self.run
        if run.over:  # a peer of a wider scope went down after the last test
            run.over = False
            for life in run.deaths:
                self.used(life.record.artifacts.path)
        elif not is_kept(run.outcomes, len(run.deaths)):
            for file in run.files:
                with contextlib.suppress(OSError):  # it was not made
                    file.unlink()
            if run.made:
                self._remove(run.made)
                run.made, run.links = None, {}
        run.over = True
        self._kept.update(run.links)
        for directory in self.closed if self._root is not None else ():
            with contextlib.suppress(OSError):  # the user has removed it
                paths = set(directory.iterdir())
                for path in [directory] if self._kept.isdisjoint(paths) else paths - self._kept:
                    self._remove(path)
        self.closed.clear()
        if self._mark is not None:
            with contextlib.suppress(OSError):
                self._mark.unlink(missing_ok=True)
        deaths, run.deaths = run.deaths, []
        crashes: list[CrashReport] = []
        for life in deaths:
            path = life.record.artifacts.path
            shown = str(run.links.get(path, path))
            reason = str(life.record.reason)
            crashes.append((run.nodeid, life.options.name, reason, life.process.pid, shown))
        return crashes

    def _remove(self, directory: Path) -> None:
        shutil.rmtree(directory, ignore_errors=True)
        with contextlib.suppress(KeyError, OSError):
            self._local.pop(directory).unlink()


def retention(config: pytest.Config) -> ArtifactRetention:
    """Return that of this process; the first call is in the first test that uses a peer."""
    if retention_key not in config.stash:
        mark = getattr(config, "workerinput", {}).get("peer_mark")
        config.stash[retention_key] = ArtifactRetention(
            settings.artifacts(config), mark and Path(mark), config.stash[running_key].nodeid
        )
    return config.stash[retention_key]


def is_kept(outcomes: Mapping[str, str], unasked_deaths: int) -> bool:
    """Return whether the artifacts of a test's peers are kept, by the outcomes of its phases."""
    # Without that of the teardown it was interrupted: the artifacts may show what hung.
    return unasked_deaths > 0 or "teardown" not in outcomes or "failed" in outcomes.values()


def directory_name(nodeid: str) -> str:
    """Return ``tests-test_a.py--test_b`` for ``tests/test_a.py::test_b``; tests may share it."""
    return slug(nodeid.replace("::", "--").replace("/", "-"), _MOST_CHARACTERS) or "test"
