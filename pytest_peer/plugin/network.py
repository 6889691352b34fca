"""The fixture `peer_network`: a factory whose peers are hosts of a network of the test's own."""

from __future__ import annotations

import contextlib
import random
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest

from ..core import launchers
from ..core.clock import CALL_TIMEOUT
from ..core.errors import FaultNotEffective, PacketsLostWarning, PeerError
from ..core.options import STDIO, check, checked
from ..network import permission, tcp_timers
from ..network.addresses import FABRIC_HOST, RESERVED, Host
from ..network.fabric import Fabric
from ..network.faults.wan import Wan
from ..network.names import host_of, is_address, refusal
from ..network.origin.origin import Origin, PlainHost
from ..network.origin.resolving import HostSocket
from ..network.peer import NetworkPeer
from ..network.report import lines  # not the module: it may be of a run that pytester has forgotten
from ..network.verbs import Network, Place
from . import artifacts, sections, settings
from .factory import PeerFactory
from .scope import Scope

if TYPE_CHECKING:
    from ..core.options import PeerOptions
    from ..peers.lifecycle import PeerLife
    from ..peers.supervisor import Supervisor

seed_key: pytest.StashKey[int] = pytest.StashKey()


class NetworkScope(Scope):
    """The peers in one network."""

    def __init__(self, config: pytest.Config, local: Path, fabric: Fabric) -> None:
        super().__init__(config, local, "")
        self._fabric = fabric
        fabric.judge.on_failure = self.unhandled.add
        fabric.watch(self.interrupt)

    def new_peer(self) -> NetworkPeer:
        peer = NetworkPeer(self, self._fabric)
        self._fabric.peers.append(peer)
        return peer

    def place(self, options: PeerOptions) -> Mapping[str, Any]:
        return {"enter": self._fabric.files[options.host]}

    def close(self) -> None:
        """Stop its peers, and warn of packets that got lost without a fault."""
        super().close()
        with contextlib.suppress(PeerError):
            if lost := self._fabric.losses():
                self.issue(PacketsLostWarning(lost))

    def on_its_way(self) -> str:
        return self._fabric.on_its_way()

    def raise_crashes(self) -> None:
        super().raise_crashes()
        self._fabric.raise_loss()

    def forget_deaths(self, told: Callable[[PeerLife], bool]) -> None:
        super().forget_deaths(told)
        self._fabric.forget_loss(told)

    def raise_failures(self) -> None:
        __tracebackhide__ = True
        super().raise_failures()
        if self._fabric.lost:  # the test knows it, and nobody knows what its faults have done
            return
        self._fabric.judge.raise_failure()
        faults = (each for each in self._fabric.history if each.expect_hits and not each.hits)
        nemeses = (each for each in self._fabric.nemeses if each.expect_hits and not each.hits)
        idle = [
            *(
                f"{fault} touched no {fault.unit.removesuffix('s')}; "
                f"if that is meant, write expect_hits=False in {fault.place}"
                for fault in faults
            ),
            *(
                f"{nemesis} touched no packet and no peer; "
                "if that is meant, write expect_hits=False"
                for nemesis in nemeses
            ),
        ]
        if idle:
            raise FaultNotEffective("\n".join(idle))


class PeerNetwork(PeerFactory, Network):
    """Start peers that are hosts of a network, and cut, slow down or hold what is between them."""

    def __init__(
        self,
        scope: NetworkScope,
        fabric: Fabric,
        request: pytest.FixtureRequest,
        program: list[str] | None,
    ) -> None:
        """:private: use the fixture."""
        PeerFactory.__init__(self, lambda: scope, request, program)
        self._scope = scope
        self._fabric = fabric
        Network.__init__(self)
        self._request, self._run_by = request, program
        self._segment_name = ""
        #: Those of other segments, and what joins them; all factories of a network share them.
        self._lans: dict[str, PeerNetwork] = {"": self}

    def __repr__(self) -> str:
        return f"<lan {self._segment_name}>" if self._segment_name else "<peer_network>"

    # The test as a host

    @cached_property
    def origin(self) -> Origin:
        """The test itself as a host: it has ``host``, ``address``, ``address6``.

        It is in the default segment, and can be in faults as a peer can.
        """
        return Origin(self._fabric)

    @property
    def nameserver(self) -> PlainHost:
        """The host that answers peers who ask for names; for faults."""
        return PlainHost(FABRIC_HOST)

    def socket(
        self, family: int = socket.AF_INET, type: int = socket.SOCK_STREAM, proto: int = 0
    ) -> HostSocket:
        """Return a socket of the test as a host: a real one, which is not of this machine.

        Its ``connect``, ``bind`` and ``sendto`` know the names of the network, in any thread.

        :raises OSError: as ``socket.socket`` does.
        """
        return self.origin.socket(family, type, proto)

    def connect(
        self,
        target: Place | str,
        port: int,
        timeout: float | Literal["call_timeout"] | None = CALL_TIMEOUT,
    ) -> HostSocket:
        """Connect the test, as a host, to a port of another host by TCP.

        :param target: a peer, or the name or address of a host.
        :param timeout: seconds, ``None`` for no limit; by default ``call_timeout`` of the settings.
            The socket keeps it for what is done with it.
        :raises ValueError: what is no host of this network.
        :raises TimeoutError: there was no answer in time; or there can be none, as the peer's
            segment is not joined to that of the test.
        :raises OSError: the connection is refused, and so on.
        """
        return self.origin.connect(self._target(target), port, self._limit(timeout))

    def inside(self, target: Place | str | None = None) -> AbstractContextManager[None]:
        """Have this thread on a host during the block, for libraries that open their own sockets.

        Threads that are started in the block are there too, until they end. Other threads stay
        where they are, and so do peers. Names resolve by Python's functions: those of the network,
        and no others. As an ordinary user only sockets of Python are of the host, not those of
        libraries in C, nor processes that the test starts.

        :param target: a peer, or the name or address of a host; by default the test as a host.
        :raises ValueError: what is no host of this network.
        """
        return self.origin.inside(self._target(self.origin if target is None else target))

    def _target(self, target: Place | str) -> Host:
        if not isinstance(target, str):
            return self._host_of(target)
        if (found := self._fabric.found(target)) is not None:
            return found
        known = ", ".join(self._fabric.hosts) or "none"
        raise ValueError(f"{target!r} is no host of this network; its hosts are: {known}")

    # Segments

    def lan(self, name: str) -> PeerNetwork:
        """Return the factory of another segment, whose peers reach no other that is not joined.

        It has all the methods of ``peer_network``. The same name leads to the same segment.

        :raises ValueError: an empty name, or the network has no more segments.
        """
        if not isinstance(name, str):
            raise TypeError(f"lan: expected a str, got {name!r}")
        if not name:
            raise ValueError("lan: expected a name, got an empty one")
        if name not in self._lans:
            made = PeerNetwork(self._scope, self._fabric, self._request, self._run_by)
            made._segment, made._segment_name = self._fabric.segment(name), name
            made._lans, made._links = self._lans, self._links
            self._lans[name] = made
        return self._lans[name]

    def wan(
        self,
        one: PeerNetwork,
        other: PeerNetwork,
        *,
        delay: float | None = None,
        jitter: float | None = None,
        loss: float | None = None,
        duplicate: float | None = None,
        corrupt: float | None = None,
        reorder: float | None = None,
        rate: str | float | None = None,
    ) -> Wan:
        """Join two segments; packets between them take `delay` seconds each way, and so on.

        :param one: what ``lan(...)`` has returned, or ``peer_network`` for the default segment.
        :returns: what can be changed by ``set`` and healed: then they are joined without a fault.
            It is the same one for the same segments. It is not among what ``heal()`` heals,
            and need not touch a packet. The nameserver is in all segments, beside it.
        :raises FaultNotEffective: packets do not meet what was set.
        :raises TypeError, ValueError: what is no segment of this network, a segment and itself, or
            a value outside of what it can be.
        """
        for each in (one, other):
            if not isinstance(each, PeerNetwork):
                raise TypeError(f"wan: expected what lan() has returned, got {each!r}")
            if each._fabric is not self._fabric:
                raise ValueError(f"wan: {each!r} is of another network")
        if one._segment == other._segment:
            raise ValueError(f"wan: {one!r} cannot be joined to itself")
        low, high = sorted((one, other), key=lambda each: each._segment)
        segments = low._segment, high._segment
        found = self._fabric.wans.get(segments) or Wan(
            self._fabric, f"wan between {low!r} and {high!r}", segments
        )
        found.set(
            delay=delay,
            jitter=jitter,
            loss=loss,
            duplicate=duplicate,
            corrupt=corrupt,
            reorder=reorder,
            rate=rate,
        )
        return self._fabric.wans[segments]  # another thread may have been the first

    # Peers

    def _owner(self) -> object:
        return self._scope

    def _merged(self, options: Any, each: Any = ({},)) -> tuple[Supervisor, dict[str, Any]]:
        supervisor, merged = super()._merged(options, each)
        if supervisor is not self._scope:
            raise ValueError("link: a peer of peer_network ends with its test")
        return supervisor, merged

    def _applying(self, marked: dict[str, Any]) -> dict[str, Any]:
        return marked

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
        host = resolved.setdefault("host", host_of(name))
        if not isinstance(host, str):
            raise TypeError(f"host: expected a str, got {host!r}")
        if why := refusal(host):
            raise ValueError(f"host: {host!r}: {why}")
        names = (name,) if name != host and not is_address(name) else ()
        for option, text in (("host", host), *(("name", each) for each in names)):
            if text.lower() in RESERVED:
                raise ValueError(f"{option}: {text!r} is a name that a network has for itself")
            if self._fabric.found(text) is not None:
                raise ValueError(
                    f"{option}: there is a host named {text!r} in this network already; it stays "
                    "when its peer is stopped, and `restart` starts one there"
                )
        checked(resolved)  # a peer that is refused leaves no host
        self._fabric.add([(host, names)], self._segment, tcp)
        self._fabric.of_peers.append(host)
        return resolved


def open_network(
    request: pytest.FixtureRequest, program: list[str] | None
) -> Iterator[PeerNetwork]:
    """Make a network for a test; it ends with the test, whatever that has left in it.

    :param program: what runs its peers in this run of the test, if several are given.
    """
    config = request.config
    if install := permission.missing():
        raise pytest.UsageError(install)
    if why := permission.refusal():
        if settings.network_required(config):
            pytest.fail(why, pytrace=False)
        pytest.skip(why)
    with ExitStack() as stack:
        local = request.getfixturevalue("tmp_path") / "peers"
        kept = artifacts.retention(config)
        fabric = Fabric(kept.directory(local, ""), seed(config))
        kept.run.files.append(fabric.capture)
        stack.callback(fabric.close)
        sections.of_run(request.node).more.append(partial(_section, request.node, fabric))
        scope = NetworkScope(config, local, fabric)
        stack.callback(scope.close)
        network = PeerNetwork(scope, fabric, request, program)
        stack.callback(_heal, network, fabric)
        stack.callback(fabric.end_nemeses)
        yield network


def _heal(network: PeerNetwork, fabric: Fabric) -> None:
    if not fabric.lost:  # else the error is that of the end
        network.heal()


def _section(item: pytest.Item, fabric: Fabric) -> tuple[str, str]:
    """Return what the report of a failing test shows of its network: title and text."""
    repeat = f'pytest "{item.nodeid}" --peer-seed {fabric.seed}'
    return "network", "\n".join([f"seed {fabric.seed}, again with: {repeat}", *lines(fabric)])


def seed(config: pytest.Config) -> int:
    """Return the seed of this run; the report of a failing test with a network shows it."""
    if seed_key not in config.stash:
        found = settings.seed(config)
        config.stash[seed_key] = random.randrange(1 << 32) if found is None else found
    return config.stash[seed_key]
