"""The addresses of hosts, and the names that stand for them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass

#: The number of the fabric itself in each segment: its nameserver has this address.
FABRIC = 0xFFFE
#: The most hosts of a segment, and the most segments.
MOST_HOSTS, MOST_SEGMENTS = 1000, 100
PREFIX4, PREFIX6 = 16, 64


@dataclass(frozen=True, slots=True)
class Host:
    """A place in the network: one network namespace, with one interface."""

    #: What ``socket.gethostname()`` says there.
    name: str
    #: From 1 on; unlike that of any other host in any segment of the network.
    number: int
    #: From 0 on, which is the default one.
    segment: int = 0
    #: Other names that lead here.
    aliases: tuple[str, ...] = ()
    #: The timers of its TCP; see `tcp_timers`.
    tcp: str = "kernel"

    @property
    def address(self) -> str:
        """The IPv4 address."""
        return address4(self.segment, self.number)

    @property
    def address6(self) -> str:
        """The IPv6 address."""
        return address6(self.segment, self.number)

    @property
    def mac(self) -> bytes:
        """The hardware address."""
        return bytes((2, 0, self.segment, 0, *divmod(self.number, 256)))


def address4(segment: int, number: int) -> str:
    """Return the IPv4 address of a host, ``10.77.0.1`` for the first."""
    return str(ipaddress.IPv4Address((10 << 24) + (77 + segment << 16) + number))


def broadcast4(segment: int) -> str:
    """Return the IPv4 address of all hosts in a segment, ``10.77.255.255`` in the default one."""
    return address4(segment, (1 << 32 - PREFIX4) - 1)


def address6(segment: int, number: int) -> str:
    """Return the IPv6 address of a host, ``fd77::1`` for the first."""
    return str(ipaddress.IPv6Address((0xFD77 << 112) + (segment << 64) + number))


def hosts_file(hosts: Iterable[Host]) -> str:
    """Return the text of ``/etc/hosts``: names and addresses of all."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    for host in hosts:
        names = " ".join(dict.fromkeys((host.name, *host.aliases)))
        lines += [f"{host.address} {names}", f"{host.address6} {names}"]
    return "\n".join(lines) + "\n"


def by_files_and_dns(text: str) -> str:
    """Return a text of ``/etc/nsswitch.conf`` in which hosts are looked up by no service besides.

    A service of the machine, which listens at a path, would not know them.
    """
    return re.sub(r"(?m)^(\s*hosts\s*:).*$", r"\1 files dns", text)


#: The test itself, and the host that answers what others ask for names.
ORIGIN = "origin"
FABRIC_HOST = Host("fabric", FABRIC)
#: Names that no peer's host can have.
RESERVED = frozenset((ORIGIN, FABRIC_HOST.name, "localhost", "ip6-localhost", "ip6-loopback"))
