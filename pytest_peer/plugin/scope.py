"""The peers of one fixture, which end together."""

import warnings
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from ..core.locks import Lock
from ..evidence.artifacts import Artifacts
from ..link.calls import RpcClient
from ..link.protocol import tracebacks
from ..link.protocol.messages import Payload
from ..peers.lifecycle import PeerLife
from ..peers.peer import Peer
from ..peers.supervisor import Supervisor
from . import (  # as `warm_up` has it, also after pytester has forgotten modules
    debugging,
    live_output,
    runtest,
    settings,
)
from .artifacts import retention
from .session import closed_key, hide_frames, interrupt_key, running_key, scopes_key


class Scope(Supervisor):
    """The supervisor of these peers. Their artifacts are in `local`, or below ``--peer-artifacts``.

    The `name` of a wider scope is that of its directory there; a test's is empty.
    """

    def __init__(self, config: pytest.Config, local: Path, name: str) -> None:
        super().__init__()
        shown = "full" if config.get_verbosity() > 1 else "short"
        tracebacks.shown_locals = shown if config.getoption("showlocals", False) else ""
        runtest.expect_peers(config)  # a test may ask for a fixture only as it runs
        hide_frames()  # a test may look at a traceback itself
        self._config = config
        self._local = local
        self._name = name
        self._retention = retention(config)
        self._directory: Path | None = None
        self._lock = Lock()  # peers boot on threads of their own
        #: All lives of its peers.
        self.lives: list[PeerLife] = []
        config.stash.setdefault(scopes_key, []).append(self)

    def directory(self) -> Path:
        with self._lock:
            if self._directory is None:
                self._directory = self._retention.directory(self._local, self._name)
            return self._directory

    def admit(self, life: PeerLife) -> Artifacts:
        artifacts = super().admit(life)
        artifacts.test = self._config.stash[running_key].nodeid
        self.lives.append(life)
        if self._name:
            self._retention.used(artifacts.path)
        return artifacts

    def started(self, life: PeerLife) -> None:
        if (live := live_output.of(self._config)) is not None:
            live.follow(life)

    def call_timeout(self) -> float | None:
        found: float | None = settings.read(self._config).get(
            "call_timeout", super().call_timeout()
        )
        return found

    def collectors(self, peer: Peer) -> Iterable[Any]:
        found: Iterable[Any] = self._config.stash[running_key].ihook.pytest_peer_outcome(peer=peer)
        return found

    def debugged(self, client: RpcClient, payload: Payload) -> None:
        debugging.received(self._config, client, payload)

    def issue(self, warning: Warning) -> None:
        """Warn at the test that runs: the code that has called us is that of fixtures."""
        item = self._config.stash[running_key]
        line = (item.location[1] or 0) + 1
        warnings.warn_explicit(warning, type(warning), str(item.path), line)

    def down(self, life: PeerLife) -> None:
        super().down(life)
        if life.died_unasked:
            self._retention.run.deaths.append(life)
            if life.options.peer_down == "crash":
                self.interrupt()

    def interrupt(self) -> None:
        """Have the running test look for crashes at once, whatever it waits for."""
        if (interrupt := self._config.stash.get(interrupt_key, None)) is not None:
            interrupt()

    def raise_failures(self) -> None:
        """Raise for what fails a test whose body has passed."""
        __tracebackhide__ = True
        self.raise_crashes()

    def close(self) -> None:
        """Stop its peers, and warn of what nobody has seen: deaths, and failures in peers."""
        try:
            super().close()
        finally:
            self._config.stash[scopes_key].remove(self)
            self._config.stash.setdefault(closed_key, []).extend(self.lives)
            if self._name and self._directory is not None:
                self._retention.closed.append(self._directory)
        self.warn(closed=True)
