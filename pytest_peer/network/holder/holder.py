"""The process that holds a network: the namespaces of its hosts, and the switch between them.

It is a peer of ours without a place in the network, so its calls, its death and that of its origin
are those of any peer. No name in the file system leads to a namespace: they end with this process
and the peers in them.
"""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Sequence
from dataclasses import dataclass

from ...launch import namespaces
from ..addresses import FABRIC, FABRIC_HOST, Host, by_files_and_dns, hosts_file
from ..switch import losses
from ..switch.capture import FILE, Capture, Captured
from ..switch.switch import Switch
from . import netlink
from .canaries import Canaries
from .nameserver import Nameserver
from .questioner import Questioner

_MS_BIND = 0x1000


@dataclass(frozen=True, slots=True)
class HostNamespaces:
    """A host and its namespaces, by open files."""

    host: Host
    net: int
    mnt: int
    uts: int


class Holder:
    """The only one of its process; see `start`."""

    def __init__(self, directory: str, user: bool) -> None:
        self._user = user  # whether it has a user namespace of its own
        self._fabric = netlink.own("net"), netlink.own("mnt"), netlink.own("uts")
        self._wiring = netlink.Wiring()
        self.directory: str = directory
        self.places: dict[str, HostNamespaces] = {}
        self.switch: Switch = Switch(netlink.missed)
        self.canaries: Canaries = Canaries(self.switch, self.socket_at)
        self._capture = Capture(f"{directory}/{FILE}")
        self.switch.captured = self._capture.take
        self._questioner: Questioner | None = None
        # Before a host was plugged in, by its number.
        self._dropped_before: dict[int, int] = {}
        self._downs_before: dict[int, int] = {}
        self._mounted = self._write_files()
        self._add_nameserver()

    def question(self) -> None:
        """See that the origin can be asked about packets."""
        if self._questioner is None:
            self._questioner = Questioner(self.switch)

    def add(self, hosts: Sequence[Host]) -> dict[str, list[str]]:
        """Make hosts; return, by their names, the files of the namespaces that a peer there enters."""
        ports = {host: self._connect(self._place(host)) for host in hosts}
        # What kernels say to each other while interfaces come up, nobody misses.
        before = self.dropped()
        self._dropped_before.update({host.number: before.get(host.number, 0) for host in hosts})
        self._downs_before.update(netlink.downs(hosts))
        self.switch.plug(ports)
        self._write_hosts()
        return {host.name: self.files(self.places[host.name]) for host in hosts}

    def files(self, place: HostNamespaces) -> list[str]:
        """Return the files of namespaces that a process of a host enters, in this order."""
        own = f"/proc/{os.getpid()}"
        user = [f"{own}/ns/user"] if self._user else []
        return [*user, *(f"{own}/fd/{fd}" for fd in (place.net, place.uts, place.mnt))]

    def _place(self, host: Host) -> HostNamespaces:
        try:
            # A mount namespace is a copy of the thread's: it has the files of no other host.
            namespaces.unshare("net", "mnt", "uts")
            place = HostNamespaces(host, netlink.own("net"), netlink.own("mnt"), netlink.own("uts"))
            socket.sethostname(host.name)
            netlink.prepare()
            for name in self._mounted:
                namespaces.mount(f"{self.directory}/{name}", f"/etc/{name}", _MS_BIND)
        finally:
            for fd in self._fabric:
                namespaces.setns(fd)
        return place

    def _connect(self, place: HostNamespaces) -> socket.socket:
        """Join a host to the switch; return the socket that has its frames."""
        port = self._wiring.connect(place.host, place.net)
        with netlink.inside(place.net, back=self._fabric[:1]):
            netlink.configure(place.host)
        netlink.wait_until_joined(netlink.port_name(place.host))
        self.places[place.host.name] = place
        return port

    def _add_nameserver(self) -> None:
        """Let this process answer what hosts ask, in the namespace that has the switch's side."""
        netlink.prepare()
        self.switch.plug({FABRIC_HOST: self._connect(HostNamespaces(FABRIC_HOST, *self._fabric))})
        Nameserver(FABRIC_HOST, lambda: [place.host for place in list(self.places.values())])

    def _write_files(self) -> list[str]:
        """Write the files about names that hosts have in ``/etc``; return their names."""
        texts = {
            "hosts": "",
            "resolv.conf": f"nameserver {FABRIC_HOST.address}\noptions timeout:1 attempts:2\n",
        }
        with contextlib.suppress(FileNotFoundError), open("/etc/nsswitch.conf") as file:
            texts["nsswitch.conf"] = by_files_and_dns(file.read())
        for name, text in texts.items():
            with open(f"{self.directory}/{name}", "w") as file:
                file.write(text)
        return [name for name in texts if os.path.exists(f"/etc/{name}")]

    def _write_hosts(self) -> None:
        # In place, and it only grows: hosts have this very file mounted.
        with open(f"{self.directory}/hosts", "r+") as file:
            file.write(hosts_file(place.host for place in self.places.values()))

    def captured(self) -> Captured:
        """Write what the switch has seen so far; return how much that is."""
        return self.switch.run(self._capture.write)

    def close(self) -> Captured:
        """End the switch, and write what it has seen; the rest ends with the process."""
        self.switch.close()
        return self._capture.write()

    def proc_net(self, number: int, name: str) -> str:
        """Return what a host's ``/proc/net`` has in a file; nothing if it is not there."""
        with (
            contextlib.suppress(FileNotFoundError),
            netlink.inside(self.place_of(number).net, back=self._fabric[:1]),
            open(f"/proc/thread-self/net/{name}") as file,
        ):
            return file.read()
        return ""

    def dropped(self) -> dict[int, int]:
        """Return how many packets to each host its interface has dropped since it was plugged in."""
        found = losses.dropped(self.proc_net(FABRIC, "dev"))
        return {
            place.host.number: found.get(netlink.port_name(place.host), 0)
            - self._dropped_before.get(place.host.number, 0)
            for place in self.of_hosts()
        }

    def was_down(self, host: Host) -> bool:
        """Return whether somebody has taken a host's interface down since it was plugged in."""
        return netlink.downs([host])[host.number] > self._downs_before.get(host.number, 0)

    def of_hosts(self) -> list[HostNamespaces]:
        """Return the places of hosts, without that of the fabric itself."""
        return [place for place in list(self.places.values()) if place.host is not FABRIC_HOST]

    def place_of(self, number: int) -> HostNamespaces:
        """Return the place of the host with that number."""
        return next(each for each in list(self.places.values()) if each.host.number == number)

    def socket_at(self, number: int, kind: int = socket.SOCK_DGRAM) -> socket.socket:
        """Return a socket of a host, bound to its address."""
        place = self.place_of(number)
        with netlink.inside(place.net, back=self._fabric[:1]):
            made = socket.socket(socket.AF_INET, kind)
        made.bind((place.host.address, 0))
        return made


_holder: Holder | None = None


def start(directory: str, user: bool) -> None:
    """Make the network without a host, with files in `directory`.

    The process has ``namespaces.isolate(user)`` behind it.
    """
    global _holder
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))  # five descriptors a host
    _holder = Holder(directory, user)


def held() -> Holder:
    """Return what this process holds."""
    assert _holder is not None
    return _holder


def add(hosts: Sequence[Host]) -> dict[str, list[str]]:
    """See `Holder.add`."""
    return held().add(hosts)


def captured() -> Captured:
    """See `Holder.captured`."""
    return held().captured()


def close() -> Captured:
    """See `Holder.close`."""
    return held().close()
