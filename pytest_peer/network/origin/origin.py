"""The test itself as a host of its network."""

from __future__ import annotations

import contextlib
import socket
from contextlib import AbstractContextManager
from functools import partial
from typing import TYPE_CHECKING

from ...core.clock import monotonic
from .. import permission
from ..addresses import FABRIC_HOST
from ..holder.doorway import descriptor
from .inside import Site
from .resolving import HostSocket, Names

if TYPE_CHECKING:
    from ..addresses import Host
    from ..fabric import Fabric

#: Seconds that the last try has, however late it is.
_LAST_TRY = 0.01


class PlainHost:
    """A host without a peer; in faults it stands where a peer can."""

    def __init__(self, host: Host) -> None:
        """:private: use ``peer_network.nameserver``."""
        self._host = host

    def __repr__(self) -> str:
        return f"<{self.host} of the network, {self.address}>"

    @property
    def host(self) -> str:
        """The name of the host, which resolves in the peers."""
        return self._host.name

    @property
    def address(self) -> str:
        """The IPv4 address of the host."""
        return self._host.address

    @property
    def address6(self) -> str:
        """The IPv6 address of the host."""
        return self._host.address6


class Origin(PlainHost):
    """The host that the test is in its network."""

    def __init__(self, fabric: Fabric) -> None:
        """:private: use ``peer_network.origin``."""
        super().__init__(fabric.origin())
        self._fabric = fabric

    def socket(self, family: int, kind: int, protocol: int) -> HostSocket:
        """Return a socket of this host; see ``peer_network.socket``."""
        sockets = self._fabric.sockets()
        try:
            found = descriptor(sockets, self._host.number, family, kind, protocol)
        except ConnectionResetError:
            self._fabric.ask("os:getpid")  # says how the process has ended
            raise
        # Without the flags that Linux takes with the type: they are in the descriptor.
        made = HostSocket(family, kind, protocol, found)
        made.names = self._names(self._host)
        return made

    def connect(self, target: Host, port: int, timeout: float | None) -> HostSocket:
        """Return a socket that is connected; see ``peer_network.connect``."""
        self._check_joined(target, port)
        deadline = None if timeout is None else monotonic() + timeout
        failures = []
        for family, address in (
            (socket.AF_INET, target.address),
            (socket.AF_INET6, target.address6),
        ):
            made = self.socket(family, socket.SOCK_STREAM, 0)
            with contextlib.ExitStack() as stack:
                stack.callback(made.close)
                try:
                    if deadline is not None:
                        made.settimeout(max(_LAST_TRY, deadline - monotonic()))
                    made.connect((address, port))
                except TimeoutError as exc:
                    limit = "" if timeout is None else f" within {timeout:g} s"
                    text = f"connect: no answer from port {port} of {target.name}{limit}"
                    why = self._fabric.judge.waited_for()
                    raise TimeoutError("; ".join(filter(None, (text, why)))) from exc
                except OSError as exc:
                    failures.append(exc)
                    continue
                made.settimeout(timeout)
                stack.pop_all()
                return made
        raise failures[0]

    def _check_joined(self, target: Host, port: int) -> None:
        """Raise TimeoutError at once where no wan joins the segments: no answer would come."""
        segments = self._fabric.segments
        if target is not FABRIC_HOST and not self._fabric.joined(
            self._host.segment, target.segment
        ):
            name = next(name for name, number in segments.items() if number == target.segment)
            raise TimeoutError(
                f"connect: no way to port {port} of {target.name}: lan {name!r} is not joined to the "
                "segment of the test; join them by "
                f"peer_network.wan(peer_network, peer_network.lan({name!r}))"
            )

    def inside(self, host: Host) -> AbstractContextManager[None]:
        """Have this thread on a host; see ``peer_network.inside``."""
        make = partial(descriptor, self._fabric.sockets(), host.number)
        # Network and UTS; a thread that has shared its file system enters no mount namespace.
        own = permission.needs_user_namespace()
        files = None if own else self._fabric.files[host.name][:2]
        return Site(self._names(host), make, files).entered()

    def _names(self, host: Host) -> Names:
        return Names(host, lambda: self._fabric.every())
