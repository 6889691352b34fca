"""What a test does to its network."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias

from ..core.locks import Lock
from ..peers.peer import Peer
from .faults import grudges
from .faults.fault import Abort, Cut, Fault, Hold
from .faults.link_fault import LinkFault
from .faults.nemesis import Nemesis, nemesis
from .faults.rules import Predicate, Rule, action
from .faults.settings import checked
from .switch.filters import pairs

if TYPE_CHECKING:
    from .addresses import Host
    from .fabric import Fabric


class Place(Protocol):
    """What stands for a host: a peer, or the test itself."""

    @property
    def host(self) -> str: ...


#: One host or several; a factory stands for all hosts of its segment.
Places: TypeAlias = "Place | Iterable[Place] | Network"


class Link:
    """One way from a host to another; `set` says what it does to packets."""

    def __init__(self, fabric: Fabric, source: Host, target: Host) -> None:
        self._fabric = fabric
        self._what = f"link from {source.name} to {target.name}"
        self._pairs = pairs([source.number], [target.number])
        self._turn = Lock()
        self._fault: LinkFault | None = None

    def __repr__(self) -> str:
        return f"<{self._fault or self._what}>"

    def set(
        self,
        *,
        delay: float | None = None,
        jitter: float | None = None,
        loss: float | None = None,
        duplicate: float | None = None,
        corrupt: float | None = None,
        reorder: float | None = None,
        rate: str | float | None = None,
        expect_hits: bool | None = None,
    ) -> Fault:
        """Have the link delay, lose or change packets; what is not named stays as it is.

        :param delay: seconds that each packet takes.
        :param jitter: seconds by which that varies, uniformly, in both directions; but no packet
            takes less than 0, so with a jitter above the delay some have no delay at all.
        :param loss: the probability that a packet is lost, from 0 to 1.
        :param duplicate: the probability that it comes twice.
        :param corrupt: the probability that a bit of it is flipped; the receiving kernel drops it.
        :param reorder: the probability that those behind it overtake it.
        :param rate: bits a second, also as ``"64kbit"``, ``"1mbit"``, ``"1gbit"``.
        :param expect_hits: ``False`` if the test shall pass though no packet was touched; by default
            as it is, at first ``True``.
        :returns: the fault, the same one each time until it is healed; that undoes all that the test
            has set on this way. The end of a ``with`` block undoes what its `set` has changed, and a
            nemesis undoes its own settings: what others have set is in force again.
        :raises FaultNotEffective: packets do not meet what was set.
        :raises TypeError, ValueError: a value outside of what it can be, or no setting at all.
        """
        given = checked(
            delay=delay,
            jitter=jitter,
            loss=loss,
            duplicate=duplicate,
            corrupt=corrupt,
            reorder=reorder,
            rate=rate,
        )
        in_force = self._fault is not None and self._fault.healed is None
        if not given and (expect_hits is None or not in_force):
            raise ValueError(f"{self._what}: expected a setting, such as delay=0.05, got none")
        if threading.get_ident() in self._fabric.draws:  # on the thread of a nemesis
            made = self._begun()
            made.change(given, expect_hits)
            return made
        with self._turn:
            fault = self._fault
            while fault is None or not fault.change(given, expect_hits):
                fault = self._fault = self._begun()
            return fault

    def _begun(self) -> LinkFault:
        return LinkFault(self._fabric, self._what, self._pairs)


class Network:
    """The network of a test: its hosts are those of its peers, and of the test itself."""

    _fabric: Fabric
    #: The segment of its peers.
    _segment: int = 0

    def __init__(self) -> None:
        self._links: dict[tuple[int, int], Link] = {}
        self._own_draw = random.Random(f"{self._fabric.seed} grudges")

    def cut(self, source: Places, target: Places, *, expect_hits: bool = True) -> Fault:
        """Let nothing pass from one host to another; the other direction stays as it is.

        :param source: a peer or several.
        :param expect_hits: ``False`` if the test shall pass though no packet was dropped.
        :raises FaultNotEffective: a packet passes for all that.
        :raises ValueError: what is no host of this network, or a host and itself.
        """
        sources, targets = self._hosts_of(source), self._hosts_of(target)
        what = f"cut from {_names(sources)} to {_names(targets)}"
        return Cut(self._fabric, what, self._ways(sources, targets), expect_hits)

    def partition(self, *groups: Places, expect_hits: bool = True) -> Fault:
        """Let nothing pass between groups of hosts, in both directions.

        Hosts in no group are unaffected.

        :raises FaultNotEffective: a packet passes for all that.
        :raises ValueError: less than two groups, a host in two of them, or what is no host here.
        """
        every = [self._hosts_of(group) for group in groups]
        if not all(every):
            raise ValueError("partition: a group has no host")
        if len(every) < 2:
            raise ValueError(f"partition: expected at least two groups, got {len(every)}")
        names = [host.name for group in every for host in group]
        if twice := [name for name in dict.fromkeys(names) if names.count(name) > 1]:
            raise ValueError(f"partition: {', '.join(twice)} is in two groups")
        return self._apart("partition", every, expect_hits)

    def halves(self, *, expect_hits: bool = True) -> Fault:
        """Part all hosts of peers into two halves, which are drawn; an odd one is in the second.

        `Fault.ways` says who does not hear whom.

        :raises FaultNotEffective: a packet passes for all that.
        :raises ValueError: less than two hosts.
        """
        return self._apart("halves", grudges.halves(self._of_peers(), self._draw), expect_hits)

    def isolate(self, one: Place, *, expect_hits: bool = True) -> Fault:
        """Part one host from those of all other peers; also the test's own, ``peer_network.origin``.

        :raises FaultNotEffective: a packet passes for all that.
        :raises ValueError: it is no host of this network, or the only one.
        """
        groups = grudges.isolate(self._of_peers(), self._host_of(one))
        return self._apart("isolate", groups, expect_hits)

    def bridge(self, *, expect_hits: bool = True) -> Fault:
        """Part the hosts of peers into two halves but for one, which both hear; all are drawn.

        `Fault.ways` says who does not hear whom.

        :raises FaultNotEffective: a packet passes for all that.
        :raises ValueError: less than three hosts.
        """
        middle, groups = grudges.bridge(self._of_peers(), self._draw)
        return self._apart(f"bridge by {middle.name}", groups, expect_hits)

    def majorities_ring(self, *, expect_hits: bool = True) -> Fault:
        """Have each host of a peer hear a majority, and no two the same one.

        They are a ring in an order that is drawn; each hears its neighbours, and these hear it. Of
        three hosts, which cannot be such a ring, the outer ones do not hear each other.

        :raises FaultNotEffective: a packet passes for all that.
        :raises ValueError: less than three hosts.
        """
        ways = grudges.majorities_ring(self._of_peers(), self._draw)
        lost = sorted({(a.number, a.name, b.name) for a, b in ways if a.number < b.number})
        what = "majorities_ring without " + ", ".join(f"{a} to {b}" for _, a, b in lost)
        return Cut(self._fabric, what, _numbers(ways), expect_hits)

    def link(self, source: Place, target: Place) -> Link:
        """Return the way from one host to another; its `set` makes it slow or unreliable.

        :raises ValueError: what is no host of this network, or a host and itself.
        """
        one, other = self._host_of(source), self._host_of(target)
        self._ways([one], [other])
        key = one.number, other.number
        return self._links.setdefault(key, Link(self._fabric, one, other))

    def hold(self, source: Places, target: Places, *, expect_hits: bool = True) -> Hold:
        """Keep all packets from one host to another in flight.

        At the end of its block, or when it is healed, what it still holds goes on in order.

        :raises ValueError: what is no host of this network, or a host and itself.
        """
        sources, targets = self._hosts_of(source), self._hosts_of(target)
        what = f"hold from {_names(sources)} to {_names(targets)}"
        return Hold(self._fabric, what, self._ways(sources, targets), expect_hits)

    def nemesis(
        self,
        deeds: Iterable[Any],
        period: float = 0.5,
        seed: int | None = None,
        *,
        expect_hits: bool = True,
    ) -> Nemesis:
        """Return a nemesis, which does deeds at random while its ``with`` block lasts.

        Each lasts for a period; then it is healed, and after another period comes the next. At the
        end of the block all is healed. An exception in a deed ends the nemesis, and is raised at
        the end of its block.

        :param deeds: functions that begin a fault and return it, ``lambda: peer_network.cut(a, b)``
            or ``peer_network.halves``; or that kill, pause or restart peers, ``a.kill``: those go
            on afterwards. A list stands for one of its deeds, drawn anew each time:
            ``[peer.kill for peer in peers]``.
        :param period: seconds, 0.5 by default.
        :param seed: what to draw by; by default one that follows from ``--peer-seed``.
        :param expect_hits: ``False`` if the test shall pass though no deed touched anything.
        :raises TypeError, ValueError: what is no deed, or no deed at all.
        """
        return nemesis(self._fabric, deeds, period, seed, expect_hits)

    def abort(self, one: Places, other: Places, *, expect_hits: bool = True) -> Fault:
        """Reset the open TCP connections between hosts, idle ones too: both ends see ECONNRESET.

        What comes after is unaffected. The fault is over when it is returned; its ``hits`` are the
        connections that were reset.

        :param expect_hits: ``False`` if the test shall pass though there was none.
        :raises FaultNotEffective: a connection is still open.
        :raises ValueError: what is no host of this network, or a host and itself.
        """
        some, others = self._hosts_of(one), self._hosts_of(other)
        ways = self._ways(some, others) | self._ways(others, some)
        return Abort(
            self._fabric, f"abort between {_names(some)} and {_names(others)}", ways, expect_hits
        )

    def rule(
        self,
        predicate: Predicate,
        *,
        drop: bool = False,
        delay: float | None = None,
        duplicate: bool = False,
        hold: bool = False,
        corrupt: bool = False,
        expect_hits: bool = True,
    ) -> Rule:
        """Do something to the packets for which a function is true, between any hosts.

        Its method ``first(n)`` limits it to the first `n` of them. The function is called here, with
        one packet after the other, on a thread of its own. When it raises, the packet passes, and
        the test fails. The packets have ``src`` and ``dst``, the names of hosts, ``sport``,
        ``dport``, ``tcp``, ``udp``, ``payload``.

        :param drop: lose them.
        :param delay: seconds that each of them takes longer; those behind it overtake it.
        :param duplicate: let them come twice.
        :param hold: keep them; the rule has ``packets``, ``release`` and ``drop`` as that of `hold`.
        :param corrupt: flip a bit of them; the receiving kernel drops such a packet.
        :param expect_hits: ``False`` if the test shall pass though no packet was touched.
        :raises TypeError, ValueError: nothing to do, or something besides `drop` or `hold`.
        """
        if not callable(predicate):
            raise TypeError(f"rule: expected a function of a packet, got {predicate!r}")
        deeds = action(drop, delay, duplicate, hold, corrupt)
        return Rule(self._fabric, predicate, deeds, expect_hits)

    def heal(self) -> None:
        """Heal all faults that are in force; raises as `Fault.heal` does."""
        failures = []
        for fault in reversed(list(self._fabric.active)):
            try:
                fault.heal()
            except Exception as exc:
                failures.append(exc)
        if failures:
            raise failures[0] if len(failures) == 1 else ExceptionGroup("heal", failures)

    def _hosts_of(self, places: Places) -> list[Host]:
        if isinstance(places, Network):
            hosts = self._fabric.hosts.values()
            return [host for host in hosts if host.segment == places._segment]
        if isinstance(places, str):
            raise TypeError(f"expected a peer or several, got the str {places!r}")
        every = list(places) if isinstance(places, Iterable) else [places]
        return [self._host_of(each) for each in every]

    def _host_of(self, place: Place) -> Host:
        if isinstance(place, str):
            raise TypeError(f"expected a peer, got the str {place!r}")
        name = getattr(place, "host", "")
        found = next((host for host in self._fabric.every() if host.name == name), None)
        if found is None or (isinstance(place, Peer) and place.life.owner is not self._owner()):
            known = ", ".join(self._fabric.hosts) or "none"
            raise ValueError(f"{place!r} is no host of this network; its hosts are: {known}")
        return found

    @property
    def _draw(self) -> random.Random:
        return self._fabric.draws.get(threading.get_ident(), self._own_draw)

    def _of_peers(self) -> list[Host]:
        return [self._fabric.hosts[name] for name in self._fabric.of_peers]

    def _apart(self, kind: str, groups: Sequence[Sequence[Host]], expect_hits: bool) -> Fault:
        what = f"{kind}: " + " | ".join(map(_names, groups))
        return Cut(self._fabric, what, _numbers(grudges.between(groups)), expect_hits)

    def _owner(self) -> object:
        """Return whose peers are in the network."""
        raise NotImplementedError

    @staticmethod
    def _ways(sources: Sequence[Host], targets: Sequence[Host]) -> frozenset[tuple[int, int]]:
        both = {host.name for host in sources} & {host.name for host in targets}
        if both:
            raise ValueError(f"{', '.join(sorted(both))}: there is no way from a host to itself")
        if not sources or not targets:
            raise ValueError("expected at least one host, got none")
        return pairs((each.number for each in sources), (each.number for each in targets))


def _numbers(ways: Iterable[tuple[Host, Host]]) -> frozenset[tuple[int, int]]:
    return frozenset((a.number, b.number) for a, b in ways)


def _names(hosts: Sequence[Host]) -> str:
    return ", ".join(host.name for host in hosts)
