"""A peer that is a host of a network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ..peers.peer import Peer

if TYPE_CHECKING:
    from ..peers.supervisor import Supervisor
    from .fabric import Fabric


class NetworkPeer(Peer):
    """A peer of ``peer_network``: a `Peer` with addresses of its own, which a restart keeps."""

    def __init__(self, owner: Supervisor, fabric: Fabric) -> None:
        """:private: use ``peer_network``."""
        super().__init__(owner)
        self._fabric = fabric

    @property
    def address(self) -> str:
        """The IPv4 address of its host."""
        return self._fabric.hosts[self.host].address

    @property
    def address6(self) -> str:
        """The IPv6 address of its host."""
        return self._fabric.hosts[self.host].address6

    def restart(self, **changes: Any) -> Peer:
        """Do as `Peer.restart`, on the same host.

        :raises ValueError: another host is asked for.
        """
        if changes.get("host", self.host) != self.host:
            raise ValueError(f"host: peer {self.name!r} stays on its host, {self.host!r}")
        return super().restart(**changes)
