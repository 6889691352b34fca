"""The fixture `peer_network`: a factory whose peers are hosts of a network of the test's own."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from ..core import launchers
from ..core.errors import FaultNotEffective
from ..core.options import STDIO, check
from ..network import permission, tcp_timers, told
from ..network.fabric import Fabric
from ..network.peer import NetworkPeer
from ..network.verbs import Network
from . import sections, settings
from .factory import PeerFactory
from .scope import Scope

if TYPE_CHECKING:
    from ..core.options import PeerOptions
    from ..peers.supervisor import Supervisor

seed_key: pytest.StashKey[int] = pytest.StashKey()


class NetworkScope(Scope):
    """The peers in one network."""

    def __init__(self, config: pytest.Config, local: Path, fabric: Fabric) -> None:
        super().__init__(config, local, "")
        self._fabric = fabric

    def new_peer(self) -> NetworkPeer:
        peer = NetworkPeer(self, self._fabric)
        self._fabric.peers.append(peer)
        return peer

    def place(self, options: PeerOptions) -> Mapping[str, Any]:
        return {"enter": self._fabric.files[options.host]}

    def raise_crashes(self) -> None:
        """Raise for what fails a test whose body has passed."""
        super().raise_crashes()
        for fault in self._fabric.history:
            if fault.expect_hits and not fault.hits:
                raise FaultNotEffective(
                    f"{fault} touched no packet; if that is meant, write expect_hits=False"
                )
        for nemesis in self._fabric.nemeses:
            if nemesis.expect_hits and not nemesis.hits:
                raise FaultNotEffective(
                    f"{nemesis} touched no packet and no peer; "
                    "if that is meant, write expect_hits=False"
                )


class PeerNetwork(PeerFactory, Network):
    """Start peers that are hosts of a network, and cut, slow down or hold what is between them."""

    def __init__(self, scope: NetworkScope, fabric: Fabric, request: pytest.FixtureRequest) -> None:
        """:private: use the fixture."""
        PeerFactory.__init__(self, lambda: scope, request, None)
        self._scope = scope
        self._fabric = fabric
        Network.__init__(self)

    def _owner(self) -> object:
        return self._scope

    def _merged(self, options: Any, each: Any = ({},)) -> tuple[Supervisor, dict[str, Any]]:
        supervisor, merged = super()._merged(options, each)
        if supervisor is not self._scope:
            raise ValueError("link: a peer of peer_network ends with its test")
        return supervisor, merged

    def _resolved(self, supervisor: Supervisor, options: Mapping[str, Any]) -> dict[str, Any]:
        tcp = tcp_timers.checked(options.get("tcp", tcp_timers.KERNEL))
        others = {option: value for option, value in options.items() if option != "tcp"}
        resolved = super()._resolved(supervisor, others)
        if resolved.get("connection", STDIO) != STDIO:
            raise ValueError(
                "connection: in peer_network it is 'stdio': TCP would go through the network under test"
            )
        words = check("exec", resolved.get("exec", "python"))
        if found := launchers.stdio_launcher(words):
            raise ValueError(f"exec: what {found.name} starts is not in peer_network")
        name = check("name", resolved["name"])
        host = resolved.setdefault("host", name.replace("_", "-"))
        if host in self._fabric.hosts:
            raise ValueError(f"host: there is one named {host!r} in this network already")
        self._fabric.add([(host, (name,))], tcp=tcp)
        self._fabric.of_peers.append(host)
        return resolved


def open_network(request: pytest.FixtureRequest) -> Iterator[PeerNetwork]:
    """Make a network for a test; it ends with the test, whatever that has left in it."""
    config = request.config
    if install := permission.missing():
        raise pytest.UsageError(install)
    if why := permission.refusal():
        if settings.network_required(config):
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    with ExitStack() as stack:
        fabric = Fabric(seed(config))
        stack.callback(fabric.close)
        sections.of_run(request.node).more.append(partial(_section, request.node, fabric))
        local = request.getfixturevalue("tmp_path") / "peers"
        scope = NetworkScope(config, local, fabric)
        stack.callback(scope.close)
        network = PeerNetwork(scope, fabric, request)
        stack.callback(network.heal)
        stack.callback(fabric.end_nemeses)
        yield network


def _section(item: pytest.Item, fabric: Fabric) -> tuple[str, str]:
    """Return what the report of a failing test shows of its network: title and text."""
    repeat = f'pytest "{item.nodeid}" --peer-seed {fabric.seed}'
    return "network", "\n".join([f"seed {fabric.seed}, again with: {repeat}", *told.lines(fabric)])


def seed(config: pytest.Config) -> int:
    """Return the seed of this run; the report of a failing test with a network shows it."""
    if seed_key not in config.stash:
        found = settings.seed(config)
        config.stash[seed_key] = random.randrange(1 << 32) if found is None else found
    return config.stash[seed_key]
