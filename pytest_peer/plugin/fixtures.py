"""The fixtures: a peer, and factories of peers for every scope."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from typing import TYPE_CHECKING, Any, cast

import pytest

from .factory import PeerFactory, words
from .session import FACTORIES, NETWORK, running_key

if TYPE_CHECKING:
    from ..peers.peer import Peer
    from .network import PeerNetwork
    from .scope import Scope


@pytest.fixture(scope="session")
def _peer_exec(request: pytest.FixtureRequest) -> list[str] | None:
    """Return the interpreter of this run of the test, if several are given."""
    return cast("list[str] | None", getattr(request, "param", None))


def _factory(request: pytest.FixtureRequest, _peer_exec: list[str] | None) -> Iterator[PeerFactory]:
    """Start peers, which are stopped at the end of the fixture's scope."""
    if request.scope == "package":
        yield PeerFactory(_of_package(request), request, _peer_exec)
        return
    name = "-".join(filter(None, (request.scope, *words(request.node))))
    with closing(_opened(request, name if request.scope != "function" else "")) as scope:
        yield PeerFactory(lambda: scope, request, _peer_exec)


for _name, _scope in FACTORIES.items():
    globals()[_name] = pytest.fixture(scope=cast("Any", _scope), name=_name)(_factory)


@pytest.fixture
def peer(peer_factory: PeerFactory) -> "Peer":
    """Start a fresh Python process, with the options of the marker ``peer``, for this test."""
    return peer_factory()


@pytest.fixture(name=NETWORK)
def _network(
    request: pytest.FixtureRequest, _peer_exec: list[str] | None
) -> "Iterator[PeerNetwork]":
    """Start peers in a network of their own, which the test can cut; see `PeerNetwork`."""
    from .network import open_network  # not at the top: few suites have one

    yield from open_network(request, _peer_exec)


@pytest.fixture(scope="session")
def _lasting_peers(request: pytest.FixtureRequest) -> "Iterator[Scope]":
    """Return the scope of the peers with ``link=False``."""
    with closing(_opened(request, f"lasting-{os.getpid()}")) as scope:
        yield scope


def _opened(request: pytest.FixtureRequest, name: str) -> "Scope":
    """Open a wider scope of that name, or with none that of the test."""
    from ..core.names import slug
    from .scope import Scope  # not at the top: a suite without peers does not pay for it

    word, base = slug(name, 60), request.getfixturevalue("tmp_path_factory" if name else "tmp_path")
    return Scope(request.config, (base.getbasetemp() if name else base) / "peers" / word, word)


def _of_package(request: pytest.FixtureRequest) -> "Callable[[], Scope]":
    # To pytest the package of a plugin's fixture is the whole session.
    opened: dict[pytest.Collector, Scope] = {}

    def scope() -> "Scope":
        item = request.config.stash[running_key]
        package = item.getparent(pytest.Package) or item.session
        if package not in opened:
            opened[package] = _opened(request, f"package-{package.name}")
            package.addfinalizer(lambda: opened.pop(package).close())
        return opened[package]

    return scope
