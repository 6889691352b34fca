"""What a report shows of a network: its hosts and faults, in the order in which they began."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from ..core.errors import PeerError
from ..core.names import listed
from .faults.deeds import ProcessFault
from .faults.fault import Fault

if TYPE_CHECKING:
    from .addresses import Host
    from .fabric import Fabric
    from .switch.capture import Captured

#: More hosts have no addresses there, and of more faults the last are shown.
_HOSTS, _FAULTS = 20, 100


def lines(fabric: Fabric) -> Iterator[str]:
    """Yield the lines for a network, also for one whose process has ended."""
    hosts = list(fabric.hosts.values())
    if len(hosts) > _HOSTS:
        yield f"{len(hosts)} hosts: {listed([host.name for host in hosts])}"
    elif hosts:
        yield "hosts: " + ", ".join(f"{host.name} {host.address}" for host in hosts)
    for tcp, names in sorted(_by_tcp(hosts).items(), reverse=True):
        yield f"tcp={tcp!r} in {listed(names)}"
    if apart := fabric.apart():
        yield f"not joined: {listed(apart)}"
    if fabric.lost:
        yield "its process has ended: no packet passes"
    for nemesis in fabric.nemeses:
        yield str(nemesis)
    deeds = [deed for nemesis in fabric.nemeses for deed in nemesis.deeds]
    processes = [deed for deed in deeds if isinstance(deed, ProcessFault)]
    every: list[Fault | ProcessFault] = [*fabric.history, *processes]
    if (captured := _captured(fabric)) is not None:
        yield f"packets: {_counted_packets(captured)} in {fabric.capture}"
    with contextlib.suppress(PeerError):
        if lost := fabric.losses():
            yield lost
        for wan in fabric.wans.values():
            yield f"{wan}: {counted(wan.counts)}"
    faults = sorted(every, key=lambda fault: fault.began)
    if not faults:
        yield "no faults"
        return
    yield "faults, by seconds since the network was made:"
    if (more := len(faults) - _FAULTS) > 0:
        yield f"  ... {more} before these"
    for fault in faults[-_FAULTS:]:
        hits = f": {counted(counts(fault), fault.unit)}" if isinstance(fault, Fault) else ""
        yield f"  {_when(fault)}  {fault}{hits}"


def _captured(fabric: Fabric) -> Captured | None:
    """Return what there is to see of packets, if that is known and anything."""
    with contextlib.suppress(PeerError):
        found = fabric.captured()
        return found if found.packets or found.missing else None
    return None


def _counted_packets(captured: Captured) -> str:
    rest = f", not {captured.missing} more, as {captured.why}:" if captured.missing else ""
    return f"{captured.packets}{rest}"


def _by_tcp(hosts: list[Host]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for host in hosts:
        found.setdefault(host.tcp, []).append(host.name)
    return found


def counts(fault: Fault) -> Mapping[str, int]:
    """Return what it has counted; as far as is known, if the process of the network has ended."""
    try:
        return fault.counts
    except PeerError:
        return fault.last_counts


def counted(counts: Mapping[str, int], unit: str = Fault.unit) -> str:
    """Return counts as a text, such as ``3 packets hit, 2 dropped``."""
    hits, one = counts.get("hits", 0), unit.removesuffix("s")
    if not hits:
        return f"no {one} hit"
    more = (f"{count} {what}" for what, count in counts.items() if count and what != "hits")
    return ", ".join([f"{hits} {unit if hits > 1 else one} hit", *more])


def _when(fault: Fault | ProcessFault) -> str:
    end = "not healed" if fault.healed is None else f"to {fault.healed:.3f}"
    return f"{fault.began:7.3f} {end:<11}"
