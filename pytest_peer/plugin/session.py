"""What the plugin knows while a session runs: the test, and the scopes whose peers are open."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..peers.lifecycle import PeerLife
    from ..peers.supervisor import Supervisor
    from .artifacts import ArtifactRetention

#: A peer that went down unasked: test, name, reason, pid, path of its artifacts. Plain data, which
#: crosses from an xdist worker.
CrashReport = tuple[str, str, str, "int | None", str]

#: The fixtures that start peers, and their scopes.
FACTORIES = {
    "peer_factory": "function",
    "class_peer_factory": "class",
    "module_peer_factory": "module",
    "package_peer_factory": "package",
    "session_peer_factory": "session",
}
#: The fixture on which these depend: the interpreter of one run of a test, if several are given.
PROGRAM = "_peer_exec"

#: The test that runs.
running_key: pytest.StashKey[pytest.Item] = pytest.StashKey[pytest.Item]()
#: The open scopes, outermost first.
scopes_key: pytest.StashKey[list[Scope]] = pytest.StashKey[list["Scope"]]()
#: Set by the first test that uses a peer.
retention_key: pytest.StashKey[ArtifactRetention] = pytest.StashKey["ArtifactRetention"]()
#: Crashes for the summary that are in no report: of the end of a session, here or in a worker.
left_key: pytest.StashKey[list[CrashReport]] = pytest.StashKey[list["CrashReport"]]()
#: Interrupts the body of the test that runs, because a peer with ``peer_down="crash"`` crashed.
interrupt_key: pytest.StashKey[Callable[[], None]] = pytest.StashKey[Callable[[], None]]()


class Scope:
    """The peers of one fixture, which end together, and the listener of their supervisor.

    :param local: returns where their artifacts are without ``--peer-artifacts``.
    :param name: of the directory in ``--peer-artifacts``; empty for that of the test.
    """

    def __init__(
        self,
        config: pytest.Config,
        retention: ArtifactRetention,
        local: Callable[[], Path],
        name: str = "",
    ) -> None:
        from ..peers.supervisor import Supervisor

        self._config = config
        self._local = local
        self._name = name
        self._retention = retention
        self._directory: Path | None = None
        self._lock = threading.Lock()  # peers boot on threads of their own
        #: All lives of its peers.
        self.lives: list[PeerLife] = []
        self.supervisor: Supervisor = Supervisor(self._place, self)
        config.stash.setdefault(scopes_key, []).append(self)

    def _place(self) -> Path:
        with self._lock:
            if self._directory is None:
                self._directory = self._retention.directory(self._local(), self._name)
            return self._directory

    def test(self) -> str:
        return self._config.stash[running_key].nodeid

    def prepared(self, life: PeerLife, path: Path) -> None:
        self.lives.append(life)
        if self._name:
            self._retention.used(path)

    def died(self, life: PeerLife) -> None:
        self._retention.died(life)
        interrupt = self._config.stash.get(interrupt_key, None)
        if life.options.peer_down == "crash" and interrupt is not None:
            interrupt()

    def close(self) -> None:
        """Stop its peers, and warn of those that went down unasked."""
        try:
            self.supervisor.close()
        finally:
            self._config.stash[scopes_key].remove(self)
            if self._name and self._directory is not None:
                self._retention.closed(self._directory)
        self.supervisor.warn_of_deaths()


def lives(config: pytest.Config) -> Iterator[PeerLife]:
    """Return all lives of the peers of open scopes that had a process."""
    return (
        life
        for scope in config.stash.get(scopes_key, ())
        for life in list(scope.lives)
        if life.process.started
    )
