"""The fixtures: a peer, and factories of peers for every scope."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from .factory import PeerFactory, words
from .session import FACTORIES, interrupt_key, running_key, scopes_key

if TYPE_CHECKING:
    from ..peers.lifecycle import PeerLife
    from ..peers.peer import Peer
    from ..peers.supervisor import Supervisor


@pytest.fixture(scope="session")
def _peer_exec(request: pytest.FixtureRequest) -> list[str] | None:
    """Return the interpreter of this run of the test, if several are given."""
    return cast("list[str] | None", getattr(request, "param", None))


def _factory(request: pytest.FixtureRequest, _peer_exec: list[str] | None) -> Iterator[PeerFactory]:
    """Start peers, which are stopped at the end of the fixture's scope."""
    if request.scope == "package":
        yield PeerFactory(_of_package(request), request, _peer_exec)
        return
    if request.scope == "function":
        tmp_path: Path = request.getfixturevalue("tmp_path")
        scope = Scope(request.config, lambda: tmp_path / "peers")
    else:
        name = "-".join(filter(None, (request.scope, *words(request.node))))
        scope = _wide(request, name)
    try:
        yield PeerFactory(lambda: scope.supervisor, request, _peer_exec)
    finally:
        scope.close()


for _name, _scope in FACTORIES.items():
    globals()[_name] = pytest.fixture(scope=cast("Any", _scope), name=_name)(_factory)


@pytest.fixture
def peer(peer_factory: PeerFactory) -> "Peer":
    """Start a peer: a fresh Python process, stopped at the end of the test.

    The marker ``peer`` gives it options.
    """
    return peer_factory()


@pytest.fixture(scope="session")
def _lasting_peers(request: pytest.FixtureRequest) -> "Iterator[Supervisor]":
    """Return the supervisor of the peers with ``link=False``."""
    scope = _wide(request, f"lasting-{os.getpid()}")
    yield scope.supervisor
    scope.close()


def hide_frames() -> None:
    """Keep the frames of this package out of the tracebacks that pytest shows."""
    for name, module in list(sys.modules.items()):
        if name.startswith("pytest_peer."):
            vars(module).setdefault("__tracebackhide__", True)


def _wide(request: pytest.FixtureRequest, name: str) -> "Scope":
    from ..core.names import slug

    base: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    word = slug(name, 60)
    return Scope(request.config, lambda: base.getbasetemp() / "peers" / word, word)


def _of_package(request: pytest.FixtureRequest) -> "Callable[[], Supervisor]":
    # To pytest the package of a plugin's fixture is the whole session.
    opened: dict[pytest.Collector, Scope] = {}

    def supervisor() -> "Supervisor":
        item = request.config.stash[running_key]
        package = item.getparent(pytest.Package) or item.session
        if package not in opened:
            opened[package] = _wide(request, f"package-{package.name}")
            package.addfinalizer(lambda: opened.pop(package).close())
        return opened[package].supervisor

    return supervisor


class Scope:
    """The peers of one fixture, which end together, and the listener of their supervisor.

    :param local: returns where their artifacts are without ``--peer-artifacts``.
    :param name: of the directory in ``--peer-artifacts``; empty for that of the test.
    """

    def __init__(self, config: pytest.Config, local: Callable[[], Path], name: str = "") -> None:
        # Not at the top: a suite without peers does not pay for it.
        from ..link import tracebacks
        from ..peers import supervisor
        from . import runtest  # as `warm_up` has it, also after pytester has forgotten modules
        from .artifacts import retention

        shown = "full" if config.get_verbosity() > 1 else "short"
        tracebacks.shown_locals = shown if config.getoption("showlocals", False) else ""
        runtest.expect_peers(config)  # a test may ask for a fixture only as it runs
        hide_frames()  # a test may look at a traceback itself
        self._config = config
        self._local = local
        self._name = name
        self._retention = retention(config)
        self._directory: Path | None = None
        self._lock = threading.Lock()  # peers boot on threads of their own
        #: All lives of its peers.
        self.lives: list[PeerLife] = []
        self.supervisor: Supervisor = supervisor.Supervisor(self)
        config.stash.setdefault(scopes_key, []).append(self)

    def directory(self) -> Path:
        with self._lock:
            if self._directory is None:
                self._directory = self._retention.directory(self._local(), self._name)
            return self._directory

    def test(self) -> str:
        return self._config.stash[running_key].nodeid

    def prepared(self, life: "PeerLife", path: Path) -> None:
        self.lives.append(life)
        if self._name:
            self._retention.used(path)

    def died(self, life: "PeerLife") -> None:
        self._retention.died(life)
        interrupt = self._config.stash.get(interrupt_key, None)
        if life.options.peer_down == "crash" and interrupt is not None:
            interrupt()

    def close(self) -> None:
        """Stop its peers, and warn of what nobody has seen: deaths, and failures in peers."""
        try:
            self.supervisor.close()
        finally:
            self._config.stash[scopes_key].remove(self)
            if self._name and self._directory is not None:
                self._retention.closed(self._directory)
        self.supervisor.warn(closed=True)
