"""Ports that nobody else gets while a peer lives: `Peer.reserve_port`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary, finalize

from ...core import ports

if TYPE_CHECKING:
    from ..lifecycle import PeerLife
    from ..peer import Peer

_MODULE = "pytest_peer_agent.core.ports"
#: Runs in a peer on another machine, which most never need: makes the module there.
_MAKE = """
import sys, types
if {name!r} not in sys.modules:
    module = types.ModuleType({name!r})
    exec(compile({source!r}, {file!r}, "exec", dont_inherit=True), module.__dict__)
    sys.modules[{name!r}] = module
"""


class Ports:
    """The reserved ports of the peers of a supervisor.

    They are kept until the peer is stopped, or its handle is gone: one that is down may be
    restarted. Those of a peer on another machine are locked there, by the peer.
    """

    def __init__(self) -> None:
        self._here: WeakKeyDictionary[Peer, list[finalize[..., Peer]]] = WeakKeyDictionary()
        self._there: WeakKeyDictionary[Peer, list[int]] = WeakKeyDictionary()

    def reserve(self, peer: Peer, host: str) -> int:
        """Reserve a port for a peer; see `Peer.reserve_port`."""
        if not isinstance(host, str):
            raise TypeError(f"host: expected a str, got {host!r}")
        life = peer.life
        life.wait_boot(life.options.call_timeout)
        if life.process.elsewhere:
            port = _hold(life, host)
            self._there.setdefault(peer, []).append(port)
            return port
        lock = ports.reserve(host)
        self._here.setdefault(peer, []).append(finalize(peer, lock.release))
        return lock.port

    def renew(self, peer: Peer) -> None:
        """Lock the ports of a peer again that has been restarted on another machine."""
        for port in self._there.get(peer, ()):
            _hold(peer.life, "", port)

    def release(self, peers: Iterable[Peer]) -> None:
        """Let others have the ports of these peers, which were stopped."""
        for peer in peers:
            self._there.pop(peer, None)
            for release in self._here.pop(peer, ()):
                release()

    def close(self) -> None:
        """Let others have the ports of all peers."""
        self.release(list(self._here))


def _hold(life: PeerLife, host: str, port: int = 0) -> int:
    limit, client = life.options.call_timeout, life.client
    source = Path(ports.__file__).read_text(encoding="utf-8")
    text = _MAKE.format(name=_MODULE, source=source, file=ports.__file__)
    client.call("builtins:exec", (text, {}), {}, limit)
    held: int = client.call(f"{_MODULE}:hold", (host, port), {}, limit)
    return held
