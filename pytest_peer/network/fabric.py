"""The origin's hold on a network: it starts the process that has it, and asks it for hosts."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..core.locks import Lock
from ..core.names import random_name
from ..core.options import PeerOptions
from ..peers.peer import Peer
from ..peers.supervisor import Supervisor
from . import permission
from .addresses import Host

_MODULE = "pytest_peer.network.holder"


class HolderSupervisor(Supervisor):
    """Starts the process that holds a network."""

    def place(self, options: PeerOptions) -> Mapping[str, Any]:  # noqa: ARG002
        return {"isolate": permission.needs_user_namespace()}


class Fabric:
    """A network without hosts, to which hosts can be added."""

    def __init__(self) -> None:
        self._supervisor = HolderSupervisor()
        self._numbers = itertools.count(1)
        self._lock = Lock()
        #: By name: the files of the namespaces that a process of the host enters.
        self.files: dict[str, list[str]] = {}
        self.hosts: dict[str, Host] = {}
        self._holder: Peer = self._supervisor.start({"name": random_name("network")})
        self._holder.call(f"{_MODULE}:start", permission.needs_user_namespace())

    def add(self, names: Sequence[tuple[str, tuple[str, ...]]], segment: int = 0) -> list[Host]:
        """Make hosts of these names and aliases."""
        with self._lock:
            hosts = [Host(name, next(self._numbers), segment, also) for name, also in names]
            self.files.update(self._holder.call(f"{_MODULE}:add", hosts))
            self.hosts.update({host.name: host for host in hosts})
            return hosts

    def close(self) -> None:
        """End the network, with its process."""
        try:
            self._holder.call(f"{_MODULE}:close")
        finally:
            self._supervisor.close()
