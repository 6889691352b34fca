"""The fixtures: a peer, and factories of peers for every scope."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

from .factory import PeerFactory, words
from .session import FACTORIES, Scope, running_key

if TYPE_CHECKING:
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
        scope = _open(request.config, lambda: tmp_path / "peers")
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
def peer(peer_factory: PeerFactory) -> Peer:
    """Start a peer: a fresh Python process, stopped at the end of the test.

    The marker ``peer`` gives it options.
    """
    return peer_factory()


@pytest.fixture(scope="session")
def _lasting_peers(request: pytest.FixtureRequest) -> Iterator[Supervisor]:
    """Return the supervisor of the peers with ``link=False``."""
    scope = _wide(request, f"lasting-{os.getpid()}")
    yield scope.supervisor
    scope.close()


def _open(config: pytest.Config, local: Callable[[], Path], name: str = "") -> Scope:
    """Open a scope; this imports what a suite without peers does not need."""
    from ..link import tracebacks
    from . import runtest
    from .artifacts import retention

    if config.getoption("showlocals", False):
        tracebacks.shown_locals = "full" if config.get_verbosity() > 1 else "short"
    else:
        tracebacks.shown_locals = ""
    runtest.expect_peers(config)  # a test may ask for a fixture only as it runs
    return Scope(config, retention(config), local, name)


def _wide(request: pytest.FixtureRequest, name: str) -> Scope:
    """Open a scope that is wider than a test."""
    from ..core.names import slug

    base: pytest.TempPathFactory = request.getfixturevalue("tmp_path_factory")
    word = slug(name, 60)
    return _open(request.config, lambda: base.getbasetemp() / "peers" / word, word)


def _of_package(request: pytest.FixtureRequest) -> Callable[[], Supervisor]:
    """Return a function that returns the supervisor for the package of the test that runs.

    To pytest the package of a plugin's fixture is the whole session.
    """
    opened: dict[pytest.Collector, Scope] = {}

    def supervisor() -> Supervisor:
        item = request.config.stash[running_key]
        package = item.getparent(pytest.Package) or item.session
        if package not in opened:
            opened[package] = _wide(request, f"package-{package.name}")
            package.addfinalizer(lambda: opened.pop(package).close())
        return opened[package].supervisor

    return supervisor
