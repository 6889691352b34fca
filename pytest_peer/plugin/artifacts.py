"""What is left of a test's peers: which went down unasked, and what of their artifacts is kept."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any

from . import retention
from .keeping import Copies

if TYPE_CHECKING:
    from ..peers.lifecycle import PeerInstance
    from .xdist import Journal

#: Plain data, which crosses from a worker of pytest-xdist to its controller.
CrashReport = dict[str, list[Any]]


class ScopeListener:
    """Sees what happens in one nursery, on whatever thread it happens."""

    def __init__(self, test: Callable[[], str], journal: Journal | None) -> None:
        self.test: Callable[[], str] = test
        self._journal = journal
        #: The directories of all lives of its peers.
        self.places: list[Path] = []
        self.unasked: deque[PeerInstance] = deque()

    def prepared(self, place: Path) -> None:
        """A peer is about to be started."""
        self.places.append(place)
        if self._journal is not None:
            self._journal.begun(self.test(), place)

    def died(self, life: PeerInstance) -> None:
        """One went down although nobody asked it to."""
        self.unasked.append(life)

    def closed(self) -> None:
        """None of its peers is left."""
        if self._journal is not None:
            self._journal.ended(self.places)


@dataclass
class TestRun:
    """One run of a test; a rerun is another."""

    nodeid: str
    copies: Copies | None
    outcomes: dict[str, str] = field(default_factory=dict)
    deaths: list[PeerInstance] = field(default_factory=list)
    #: Whether it is decided what is kept.
    over: bool = False


class ArtifactRetention:
    """Of all tests of this process since the first that used a peer, one after the other.

    :param root: ``--peer-artifacts DIR``.
    :param journal: for the case that this process dies.
    """

    def __init__(self, root: Path | None, journal: Journal | None) -> None:
        self._root = root
        self._journal = journal
        self._open: list[ScopeListener] = []
        self._now = TestRun("", None, over=True)
        #: For the directory of a peer of a wider scope, the tests in whose copies it has been kept.
        self._kept: dict[Path, list[Copies]] = {}

    def begin(self, nodeid: str) -> None:
        """A test begins."""
        copies = Copies(self._root, nodeid) if self._root is not None else None
        self._now = TestRun(nodeid, copies)

    def opened(self) -> ScopeListener:
        """Another nursery."""
        witness = ScopeListener(lambda: self._now.nodeid, self._journal)
        self._open.append(witness)
        return witness

    def closed(self, witness: ScopeListener) -> None:
        """Its peers are stopped and their files complete; what pytest removes is still there. Never raises."""
        self._open.remove(witness)
        self._gather([witness])
        for place in witness.places:
            self._kept.pop(place, None)
            if self._now.copies is not None and not self._now.over:
                self._now.copies.take(place)  # whether it is kept is decided when it may be gone
        witness.closed()

    def phase_over(self, when: str, outcome: str) -> CrashReport | None:
        """A phase of the test has been reported; what there is to tell of the test, once it is over."""
        self._gather(self._open)
        outcomes = self._now.outcomes
        if outcomes.get(when) != "failed":  # of a subtest
            outcomes[when] = outcome
        return self.finish() if when == "teardown" else None

    def finish(self) -> CrashReport | None:
        """The test is over, or the session; what there is to tell since the last time."""
        self._gather(self._open)
        attempt, copies = self._now, self._now.copies
        if copies is not None:
            if attempt.over:  # a peer of a wider scope went down after the last test
                self._keep(copies, [life.record.artifacts.path for life in attempt.deaths])
            elif retention.is_kept(
                attempt.outcomes.get("setup"),
                attempt.outcomes.get("call"),
                attempt.outcomes.get("teardown"),
                len(attempt.deaths),
            ):
                self._keep(copies, [place for witness in self._open for place in witness.places])
            else:
                copies.remove()
        attempt.over = True
        deaths = [
            death(
                attempt.nodeid,
                life.options.name,
                str(life.record.reason),
                life.body.pid,
                copies.kept(life.record.artifacts.path)
                if copies is not None
                else life.record.artifacts.path,
            )
            for life in attempt.deaths
        ]
        attempt.deaths.clear()
        return told(deaths, copies.failures if copies is not None else [])

    def _keep(self, copies: Copies, places: list[Path]) -> None:
        for place in places:
            copies.take(place)
            self._kept.setdefault(place, []).append(copies)

    def _gather(self, witnesses: list[ScopeListener]) -> None:
        for witness in witnesses:
            while witness.unasked:
                life = witness.unasked.popleft()
                self._now.deaths.append(life)
                for copies in self._kept.pop(life.record.artifacts.path, []):
                    copies.take(life.record.artifacts.path)  # of an earlier test, which has failed


def death(test: str, peer: str, reason: str, pid: int | None, path: Path) -> dict[str, Any]:
    """An unasked death as plain data."""
    return {"test": test, "peer": peer, "reason": reason, "pid": pid, "path": str(path)}


def told(deaths: list[dict[str, Any]], failures: list[str]) -> CrashReport | None:
    """What there is to tell, if there is anything; failures are told once."""
    told_now: CrashReport = {"deaths": deaths, "failures": failures.copy()}
    failures.clear()
    return told_now if any(told_now.values()) else None
