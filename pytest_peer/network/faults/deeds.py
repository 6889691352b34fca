"""What a nemesis has done: a fault of the network, or what became of processes of peers."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ...core.down_reason import PeerState
from ...peers.group import PeerGroup
from ...peers.peer import Peer
from .fault import Fault

if TYPE_CHECKING:
    from ...peers.lifecycle import PeerLife
    from ..fabric import Fabric

#: What a nemesis does: it begins a fault and returns it, or kills, pauses or restarts peers.
Action = Callable[[], Any]
_VERBS = ("kill", "stop", "pause", "restart")


class Deed(Protocol):
    """Something done, whose `str` says what and to whom."""

    @property
    def hits(self) -> int: ...

    def heal(self) -> None: ...

    def again(self) -> Deed:
        """Do the same to the same hosts; return that."""
        ...


class ProcessFault:
    """Peers that were killed, paused or restarted; healed, those go on or are started again."""

    def __init__(self, fabric: Fabric, verb: str, peers: Sequence[Peer], hits: int = 1) -> None:
        self._fabric = fabric
        self._verb = verb
        self._peers = peers
        #: How many peers it did that to.
        self.hits = hits
        #: As `Fault.began` and `Fault.healed`.
        self.began: float = fabric.clock()
        self.healed: float | None = None

    def __str__(self) -> str:
        return f"{self._verb} {', '.join(peer.host for peer in self._peers)}"

    def heal(self) -> None:
        """Resume what is paused and start what is down; raises as `Peer.restart` does."""
        if self.healed is not None:
            return
        self.healed = self._fabric.clock()
        for peer in self._peers:
            if peer.life.process.paused:
                peer.resume()
            elif self._verb in ("kill", "stop") and peer.state is PeerState.DOWN:
                peer.restart()

    def again(self) -> ProcessFault:
        made = ProcessFault(self._fabric, self._verb, self._peers, len(self._peers))
        for peer in self._peers:
            getattr(peer, self._verb)()
        return made


def done(fabric: Fabric, action: Action) -> Deed:
    """Do something, and return what it was.

    What was done to peers is seen by their processes, so it does not matter how: by ``peer.kill``,
    or in a function that chooses a peer.

    :raises TypeError: it was nothing that can be healed.
    """
    own = getattr(action, "__self__", None)
    peers = list(own) if isinstance(own, PeerGroup) else [own] if isinstance(own, Peer) else None
    before = {peer: _Seen.of(peer) for peer in peers or fabric.peers if peer.lives.started}
    began = fabric.clock()
    made = action()
    if isinstance(made, Fault):
        made.expect_hits = False  # the nemesis answers for it
        return made
    verbs = {peer: _Seen.of(peer).since(seen) for peer, seen in before.items()}
    changed = [peer for peer, verb in verbs.items() if verb]
    if changed:
        verb, hits = verbs[changed[0]], len(changed)
    elif peers and action.__name__ in _VERBS:  # they were so already
        verb, changed, hits = action.__name__, peers, 0
    else:
        raise TypeError(
            f"nemesis: {action!r} returned {made!r}; it has to return a fault, or to kill, pause "
            "or restart a peer"
        )
    deed = ProcessFault(fabric, verb, [peer for peer in changed if verbs[peer] in (verb, "")], hits)
    deed.began = began
    return deed


@dataclass(frozen=True)
class _Seen:
    """A peer at one moment."""

    life: PeerLife
    down: bool
    paused: bool
    signals: frozenset[int]

    @classmethod
    def of(cls, peer: Peer) -> _Seen:
        life = peer.life
        down = life.state is PeerState.DOWN and not life.died_unasked
        signals = frozenset(life.requests.signals) - {signal.SIGCONT}
        return cls(life, down, not down and life.process.paused, signals)

    def since(self, before: _Seen) -> str:
        """Return what was done to it; empty for nothing."""
        if self.life is not before.life:
            return "restart"
        if (self.down and not before.down) or self.signals - before.signals:
            return "kill" if self.life.requests.kill or self.signals else "stop"
        return "pause" if self.paused and not before.paused else ""
