"""The fixtures: a peer, and factories of peers for every scope."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING
from typing import Any
from typing import NoReturn
from typing import final

import pytest

from . import hosts
from . import interpreters
from . import settings
from . import warm_up
from . import xdist

if TYPE_CHECKING:
    from ..link.protocol.mailbox import Mailbox
    from ..peers.group import PeerGroup
    from ..peers.peer import Peer
    from ..peers.supervisor import Supervisor
    from .artifacts import ArtifactRetention

__tracebackhide__ = True

#: The test that runs.
running_key: pytest.StashKey[pytest.Item] = pytest.StashKey[pytest.Item]()
#: The nurseries of all scopes that are open, outermost first.
supervisors_key: pytest.StashKey[list[Supervisor]] = pytest.StashKey[list["Supervisor"]]()
#: What is left of the tests; there is none before a test uses a peer.
retention_key: pytest.StashKey[ArtifactRetention] = pytest.StashKey["ArtifactRetention"]()


@final
class PeerFactory:
    """Starts peers that end with the scope of the fixture. Erlang's ``?CT_PEER(Options)``."""

    def __init__(
        self,
        supervisor: Callable[[], Supervisor],
        lasting: Callable[[], Supervisor],
        request: pytest.FixtureRequest,
        program: list[str] | None,
    ) -> None:
        """:private: use the fixtures."""
        node = request.node
        self._supervisor = supervisor
        self._lasting = lasting
        self._config = request.config
        self._program = {"exec": program} if program is not None else {}
        self._module, self._test = _words(node)
        self._marked = settings.marked(node) if hasattr(node, "iter_markers") else {}
        self._hooks = node.ihook  # those of the conftests above the test
        self._placement = hosts.Placement(settings.hosts(request.config))

    def __call__(self, **options: Any) -> Peer:
        """Start a peer.

        :param options: as for `pytest_peer.start`; and ``link=False``, with which it lives on to the end of the session.
        :raises TypeError: an unknown option or a value of the wrong type.
        :raises ValueError: a value outside of what the option allows.
        :raises BootError: it did not boot.
        :raises NameInUse: a peer of that name is alive.
        """
        supervisor, merged = self._merged(options)
        return supervisor.start(self._settled(supervisor, {"name": self.name(), **merged}))

    def many(self, count: int, **options: Any) -> PeerGroup:
        """Start `count` peers, which boot at the same time; ``name="rank"`` names them ``rank-0``, ``rank-1``...

        :raises ExceptionGroup: some did not boot; the others are stopped.
        """
        supervisor, merged = self._merged(options)
        return supervisor.start_many(count, merged, self.name, partial(self._settled, supervisor))

    def name(self, label: str | None = None) -> str:
        """A fresh name, ``<module>-<label or test>-<n>-<pid>``; ``?CT_PEER_NAME(label)``."""
        from ..core.names import random_name

        return random_name("-".join(filter(None, (self._module, label or self._test))))

    def mailbox(self, name: str) -> Mailbox:
        """The mailbox into which this factory's peers put with ``here.origin.send(name, message)``."""
        return self._supervisor().mailboxes[name]

    def __reduce__(self) -> NoReturn:
        raise TypeError("a factory of peers cannot be sent to another process")

    def _settled(self, supervisor: Supervisor, options: Mapping[str, Any]) -> dict[str, Any]:
        """The options of the next peer: placed on a host, and as a hook has it started."""
        placed = self._placement.placed(options)
        from ..core.options import check

        words = check("exec", placed.get("exec", sys.executable))
        asked = {**placed, "exec": list(words)}
        found = self._hooks.pytest_peer_launcher(config=self._config, options=asked)
        if found is None:
            return placed
        return {**placed, "exec": supervisor.resources.enter_context(found)}

    def _merged(self, options: dict[str, Any]) -> tuple[Supervisor, dict[str, Any]]:
        marked = {name: value for name, value in self._marked.items() if name not in options}
        settings.check_marked(marked)
        merged = {**settings.read(self._config), **self._program, **marked, **options}
        interpreters.check_chosen(self._config, merged)
        link = merged.pop("link", True)
        if not isinstance(link, bool):
            raise TypeError(f"link: expected a bool, got {link!r}")
        return (self._supervisor() if link else self._lasting()), merged


def _words(node: Any) -> tuple[str, str]:
    """The parts of a name that come from the test: its module, and itself."""
    module = node.getparent(pytest.Module) if hasattr(node, "getparent") else None
    words = [
        re.sub(r"[^A-Za-z0-9_.]+", "_", word).strip("_")
        for word in (module.path.stem if module else "", node.name or "")
    ]
    if module is not None and node is module:
        words[1] = ""
    return words[0], words[1] or ("" if words[0] else "session")


class _Open:
    """A nursery that the hooks know while it is open."""

    def __init__(self, config: pytest.Config, directory: Callable[[], Path]) -> None:
        from ..link import tracebacks
        from ..peers.supervisor import Supervisor
        from . import reporting
        from .artifacts import ArtifactRetention

        tracebacks.shown_locals = reporting.shown_locals(config)
        warm_up.expect_peers(config)  # it may be a test that asked for a fixture only as it ran
        if retention_key not in config.stash:
            config.stash[retention_key] = ArtifactRetention(
                settings.artifacts(config), xdist.journal(config)
            )
            config.stash[retention_key].begin(config.stash[running_key].nodeid)
        self._retention = config.stash[retention_key]
        self._witness = self._retention.opened()
        self.supervisor: Supervisor = Supervisor(directory, self._witness)
        self._all = config.stash.setdefault(supervisors_key, [])
        self._all.append(self.supervisor)

    def close(self) -> None:
        """Stop its peers, and tell of those that were dead."""
        try:
            self.supervisor.close()
        finally:
            self._all.remove(self.supervisor)
            self._retention.closed(self._witness)
        self.supervisor.warn_of_deaths()


def _opened(
    request: pytest.FixtureRequest, program: list[str] | None, directory: Callable[[], Path]
) -> Iterator[PeerFactory]:
    opened = _Open(request.config, directory)
    try:
        yield _factory(request, program, lambda: opened.supervisor)
    finally:
        opened.close()


def _factory(
    request: pytest.FixtureRequest, program: list[str] | None, supervisor: Callable[[], Supervisor]
) -> PeerFactory:
    return PeerFactory(
        supervisor, lambda: request.getfixturevalue("_lasting_peers"), request, program
    )


def _scoped(
    request: pytest.FixtureRequest,
    program: list[str] | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PeerFactory]:
    name = "-".join(filter(None, _words(request.node)))
    place = f"{request.scope}-{name}"[:60]
    yield from _opened(request, program, lambda: _once(tmp_path_factory, place))


def _once(tmp_path_factory: pytest.TempPathFactory, name: str) -> Path:
    path = tmp_path_factory.getbasetemp() / "peers" / name
    path.mkdir(parents=True, exist_ok=True)
    return path


@pytest.fixture(scope="session")
def _peer_exec(request: pytest.FixtureRequest) -> list[str] | None:
    """The interpreter with which the test runs this time, if several are given."""
    program: list[str] | None = getattr(request, "param", None)
    return program


@pytest.fixture
def peer_factory(
    request: pytest.FixtureRequest, _peer_exec: list[str] | None, tmp_path: Path
) -> Iterator[PeerFactory]:
    """A function that starts peers, which are stopped at the end of the test."""
    yield from _opened(request, _peer_exec, lambda: tmp_path / "peers")


@pytest.fixture
def peer(peer_factory: PeerFactory) -> Peer:
    """A peer: a fresh Python process, stopped at the end of the test. The marker ``peer`` gives it options."""
    return peer_factory()


@pytest.fixture(scope="class")
def class_peer_factory(
    request: pytest.FixtureRequest,
    _peer_exec: list[str] | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PeerFactory]:
    """A function that starts peers, which are stopped at the end of the test class."""
    yield from _scoped(request, _peer_exec, tmp_path_factory)


@pytest.fixture(scope="module")
def module_peer_factory(
    request: pytest.FixtureRequest,
    _peer_exec: list[str] | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PeerFactory]:
    """A function that starts peers, which are stopped at the end of the test module."""
    yield from _scoped(request, _peer_exec, tmp_path_factory)


@pytest.fixture(scope="package")
def package_peer_factory(
    request: pytest.FixtureRequest,
    _peer_exec: list[str] | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> PeerFactory:
    """A function that starts peers, which are stopped at the end of the package."""
    # To pytest the package of a plugin's fixture is the whole session. So this goes by the test that runs.
    opened: dict[pytest.Collector, _Open] = {}

    def supervisor() -> Supervisor:
        item = request.config.stash[running_key]
        package = item.getparent(pytest.Package) or item.session
        if package not in opened:
            directory = f"package-{package.name}"[:60]
            opened[package] = _Open(request.config, lambda: _once(tmp_path_factory, directory))
            package.addfinalizer(lambda: opened.pop(package).close())
        return opened[package].supervisor

    return _factory(request, _peer_exec, supervisor)


@pytest.fixture(scope="session")
def session_peer_factory(
    request: pytest.FixtureRequest,
    _peer_exec: list[str] | None,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[PeerFactory]:
    """A function that starts peers, which are stopped at the end of the session."""
    yield from _scoped(request, _peer_exec, tmp_path_factory)


@pytest.fixture(scope="session")
def _lasting_peers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Supervisor]:
    """The peers with ``link=False``."""
    opened = _Open(request.config, lambda: _once(tmp_path_factory, f"lasting-{os.getpid()}"))
    yield opened.supervisor
    opened.close()
