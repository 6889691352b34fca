"""The interfaces of the fabric and its hosts, by netlink; only the holder imports this."""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import socket
import struct
from collections.abc import Iterator

from pyroute2.iproute import IPRoute

from ..launch import namespaces
from . import tcp_timers
from .addresses import PREFIX4, PREFIX6, Host

#: The only interface of a host but the loopback.
INTERFACE = "eth0"
_SIOCETHTOOL = 0x8946
_ETHTOOL_STXCSUM = 0x17
_SNDBUFFORCE, _RCVBUFFORCE = 32, 33
_BUFFER = 1 << 24
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_STATISTICS = struct.Struct("=II")
_NODAD = 2
_MAIN_TABLE = 254
_UP, _NOARP = 1, 0x80
#: What a host's kernel would have from the machine, or not at all, by names below ``/proc/sys/net``.
_SYSCTLS = {
    "ipv4/ip_unprivileged_port_start": "0",
    "ipv4/conf/all/rp_filter": "0",
    "ipv4/conf/default/rp_filter": "0",
    "ipv4/conf/all/forwarding": "0",
    "ipv6/conf/all/disable_ipv6": "0",
    "ipv6/conf/default/disable_ipv6": "0",
    "ipv6/conf/default/accept_ra": "0",
    "ipv6/conf/default/accept_dad": "0",
    "ipv6/conf/default/router_solicitations": "0",
}


def port_name(host: Host) -> str:
    """Return the name of the interface of the switch to which a host is connected."""
    return f"port{host.number}"


class Wiring:
    """Interfaces; made and used in the namespace of the fabric."""

    def __init__(self) -> None:
        self._netlink = IPRoute()

    def connect(self, host: Host, net: int) -> socket.socket:
        """Make a pair of interfaces, one for `host` in its namespace `net`; return the other's socket.

        The socket has the frames that the host sends, and sends it frames.
        """
        port = port_name(host)
        peer = {"ifname": INTERFACE, "net_ns_fd": net, "address": _text(host.mac)}
        self._netlink.link("add", ifname=port, kind="veth", peer=peer)
        index = socket.if_nametoindex(port)
        self._set(port, "ipv6", "disable_ipv6", "1")  # it shall send nothing of its own
        self._netlink.link("set", index=index, state="up")
        return packets_of(port)

    @staticmethod
    def _set(interface: str, family: str, name: str, value: str) -> None:
        with (
            contextlib.suppress(OSError),
            open(f"/proc/sys/net/{family}/conf/{interface}/{name}", "w") as file,
        ):
            file.write(value)


def configure(host: Host) -> None:
    """Give the host its addresses; called in its namespaces."""
    for name, value in _SYSCTLS.items():
        # In a container the files may be read-only, and IPv6 may be missing.
        with contextlib.suppress(OSError), open(f"/proc/sys/net/{name}", "w") as file:
            file.write(value)
    _without_offloads(INTERFACE)
    with IPRoute() as netlink:
        netlink.link("set", index=socket.if_nametoindex("lo"), state="up")
        index = socket.if_nametoindex(INTERFACE)
        # Nobody asks for hardware addresses: the switch goes by the IP addresses.
        netlink.link("set", index=index, flags=_UP | _NOARP, change=_UP | _NOARP)
        netlink.addr("add", index=index, address=host.address, prefixlen=PREFIX4)
        with contextlib.suppress(Exception):  # a kernel without IPv6
            netlink.addr("add", index=index, address=host.address6, prefixlen=PREFIX6, flags=_NODAD)
        netlink.route("add", dst="0.0.0.0/0", oif=index, scope=253)
        with contextlib.suppress(Exception):
            netlink.route("add", family=socket.AF_INET6, dst="::/0", oif=index)
        if host.tcp == tcp_timers.FAST and not tcp_timers.shorten():
            _shorten_routes(netlink, index)


def _shorten_routes(netlink: IPRoute, index: int) -> None:
    """Have TCP send again soon, where the kernel has no setting of the host for that."""
    for family in (socket.AF_INET, socket.AF_INET6):
        for route in netlink.get_routes(family=family, oif=index, table=_MAIN_TABLE):
            known = {name: route[name] for name in ("dst_len", "scope", "proto", "type", "family")}
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
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        value = bytearray(struct.pack("=II", _ETHTOOL_STXCSUM, 0))
        buffer = (ctypes.c_char * len(value)).from_buffer(value)
        request = struct.pack("16sP", interface.encode(), ctypes.addressof(buffer))
        fcntl.ioctl(sock, _SIOCETHTOOL, request.ljust(40, b"\0"))


def _text(mac: bytes) -> str:
    return mac.hex(":")


def own(kind: str) -> int:
    """Open the namespace of this kind in which this thread is."""
    return os.open(f"/proc/thread-self/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC)
