"""The interfaces of the fabric and its hosts, by netlink; only the holder imports this."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from time import monotonic, sleep

from ...launch import namespaces
from .. import tcp_timers
from ..addresses import PREFIX4, PREFIX6, Host
from . import rtnetlink

#: The only interface of a host but the loopback.
INTERFACE = "eth0"
_SIOCETHTOOL = 0x8946
_ETHTOOL_GLINK, _ETHTOOL_STXCSUM = 0x0A, 0x17
_ETHTOOL_VALUE = struct.Struct("=II")
#: Seconds for both ends of a link to have it, and between two looks.
_JOINED_SECONDS, _PAUSE_SECONDS = 1.0, 0.001
_SNDBUFFORCE, _RCVBUFFORCE = 32, 33
_BUFFER = 1 << 24
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_STATISTICS = struct.Struct("=II")
_MAIN_TABLE = 254
#: What a host's kernel would have from the machine, or not at all, by names below ``/proc/sys/net``.
_SYSCTLS = {
    "ipv4/ip_unprivileged_port_start": b"0",
    "ipv4/conf/all/rp_filter": b"0",
    "ipv4/conf/default/rp_filter": b"0",
    "ipv4/conf/all/forwarding": b"0",
    "ipv6/conf/all/disable_ipv6": b"0",
    "ipv6/conf/default/disable_ipv6": b"0",
    "ipv6/conf/default/addr_gen_mode": b"1",  # no address of the link, which the switch knows not
    "ipv6/conf/default/accept_ra": b"0",
    "ipv6/conf/default/accept_dad": b"0",
    "ipv6/conf/default/router_solicitations": b"0",
}


def port_name(host: Host) -> str:
    """Return the name of the interface of the switch to which a host is connected."""
    return f"port{host.number}"


class Wiring:
    """Interfaces; made and used in the namespace of the fabric."""

    def __init__(self) -> None:
        self._netlink = rtnetlink.Socket()

    def connect(self, host: Host, net: int) -> socket.socket:
        """Make a pair of interfaces, one for `host` in its namespace `net`; return the other's socket.

        The socket has the frames that the host sends, and sends it frames.
        """
        port = port_name(host)
        self._netlink.ask(rtnetlink.pair(port, INTERFACE, net, host.mac))
        self._set(port, "ipv6", "disable_ipv6", "1")  # it shall send nothing of its own
        self._netlink.ask(rtnetlink.up(socket.if_nametoindex(port)))
        return packets_of(port)

    @staticmethod
    def _set(interface: str, family: str, name: str, value: str) -> None:
        with (
            contextlib.suppress(OSError),
            open(f"/proc/sys/net/{family}/conf/{interface}/{name}", "w") as file,
        ):
            file.write(value)


def prepare() -> None:
    """Set what the interfaces of this thread's namespace begin with; there is none but the loopback."""
    for name, value in _SYSCTLS.items():
        # In a container the files may be read-only, and IPv6 may be missing.
        with contextlib.suppress(OSError):
            fd = os.open(f"/proc/sys/net/{name}", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(fd, value)
            finally:
                os.close(fd)
    namespaces.bring_up("lo")


def configure(host: Host) -> None:
    """Give the host its addresses; called in its namespace."""
    _without_offloads(INTERFACE)
    index = socket.if_nametoindex(INTERFACE)
    with rtnetlink.Socket() as netlink:
        # Nobody asks for hardware addresses: the switch goes by the IP addresses.
        netlink.ask(
            rtnetlink.up(index, arp=False),
            rtnetlink.address(index, host.address, PREFIX4),
            rtnetlink.default_route(index, socket.AF_INET),
        )
        netlink.refused(  # by a kernel without IPv6
            rtnetlink.address(index, host.address6, PREFIX6),
            rtnetlink.default_route(index, socket.AF_INET6),
        )
    wait_until_joined(INTERFACE)
    if host.tcp == tcp_timers.FAST and not tcp_timers.shorten():
        _shorten_routes(index)


def _shorten_routes(index: int) -> None:
    """Have TCP send again soon, where the kernel has no setting of the host for that."""
    from pyroute2.iproute import IPRoute  # takes longer than all the rest, and is seldom needed

    with IPRoute() as netlink:
        for family in (socket.AF_INET, socket.AF_INET6):
            for route in netlink.get_routes(family=family, oif=index, table=_MAIN_TABLE):
                names = ("dst_len", "scope", "proto", "type", "family")
                known = {name: route[name] for name in names}
                also = {name: route.get(name) for name in ("dst", "prefsrc", "priority")}
                given = {name: value for name, value in also.items() if value is not None}
                metrics = {"rto_min": tcp_timers.RTO_MIN_MS}
                netlink.route("replace", oif=index, metrics=metrics, **known, **given)


def packets_of(interface: str) -> socket.socket:
    """Return a socket for all frames that come in by an interface, and to send some out."""
    found = socket.socket(socket.AF_PACKET, socket.SOCK_RAW | socket.SOCK_NONBLOCK, 0)
    for limited, beyond in ((socket.SO_RCVBUF, _RCVBUFFORCE), (socket.SO_SNDBUF, _SNDBUFFORCE)):
        found.setsockopt(socket.SOL_SOCKET, limited, _BUFFER)
        with contextlib.suppress(PermissionError):  # the machine's limit is for other users
            found.setsockopt(socket.SOL_SOCKET, beyond, _BUFFER)
    found.bind((interface, 3))  # ETH_P_ALL
    return found


def missed(sock: socket.socket) -> int:
    """Return how many frames such a socket had no room for, since the last time it was asked."""
    found = sock.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, _STATISTICS.size)
    return int(_STATISTICS.unpack(found)[1])


@contextlib.contextmanager
def inside(*files: int, back: tuple[int, ...]) -> Iterator[None]:
    """Have this thread in the namespaces of `files` during the block, afterwards in those of `back`."""
    try:
        for fd in files:
            namespaces.setns(fd)
        yield
    finally:
        for fd in back:
            namespaces.setns(fd)


def _without_offloads(interface: str) -> None:
    """Have the kernel compute checksums and cut segments itself: frames are as on a wire then."""
    _ethtool(interface, _ETHTOOL_STXCSUM)


def wait_until_joined(interface: str) -> None:
    """Wait until an interface that is up, as is its other end, sends frames, and drops none.

    The kernel begins with that a little later, unless somebody asks whether there is a link: then
    it does so before it answers (`linkwatch_sync_dev`, since Linux 6.8).
    """
    until = monotonic() + _JOINED_SECONDS
    while not _ethtool(interface, _ETHTOOL_GLINK) and monotonic() < until:
        sleep(_PAUSE_SECONDS)


def _ethtool(interface: str, command: int, value: int = 0) -> int:
    """Have the driver of an interface do something, and return its answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        data = bytearray(_ETHTOOL_VALUE.pack(command, value))
        buffer = (ctypes.c_char * len(data)).from_buffer(data)
        request = struct.pack("16sP", interface.encode(), ctypes.addressof(buffer))
        fcntl.ioctl(sock, _SIOCETHTOOL, request.ljust(40, b"\0"))
        return int(_ETHTOOL_VALUE.unpack(data)[1])


def downs(hosts: Iterable[Host]) -> dict[int, int]:
    """Return how often hosts' interfaces have gone down, by the hosts' numbers.

    Called in the namespace of the fabric.
    """
    with rtnetlink.Socket() as netlink:
        return {
            host.number: netlink.carrier_losses(socket.if_nametoindex(port_name(host)))
            for host in hosts
        }


def own(kind: str) -> int:
    """Open the namespace of this kind in which this thread is."""
    return os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
