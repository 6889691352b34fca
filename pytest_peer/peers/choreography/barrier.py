"""The rules of a barrier: who is in, when it opens, when it breaks. No input, no output."""

from collections.abc import Collection
from typing import NamedTuple


class Party(NamedTuple):
    """Who has come: a thread of a peer, of a process that it has started, or of the test."""

    peer: str  # its name; empty for the test
    process: int = 0  # that the peer has started; 0 for the peer itself

    def __str__(self) -> str:
        name = self.peer or "the test"
        return f"{name} (process {self.process})" if self.process else name


class Barrier:
    """One round of a barrier after the other, until it breaks.

    Parties are known by tokens. A method that lets some of them go returns these: all when it opens
    or breaks. `why` is empty unless it has broken.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.why: str = ""
        #: How many parties this round has, and those that have come.
        self.parties: int = 0
        self.came: dict[int, Party] = {}
        # Parties of this round that cannot be peers, of which there were fewer at its beginning.
        self._others = 0

    def enter(
        self,
        token: int,
        party: Party,
        parties: int,
        living: Collection[str] | None = None,
        lost: Collection[str] = (),
    ) -> list[int]:
        """Let a party come.

        :param living: the peers that may come; ``None`` if none less than at the one before.
        :param lost: those that have just died, though nobody had asked for it.
        """
        if self.why:
            return [token]
        if not self.came:
            self.parties = parties
            self._others = max(0, parties - len({*(living or ()), *lost}))
        first = next(iter(self.came.values()), party)
        self.came[token] = party
        if parties != self.parties:
            return self._break(f"{party} came for {parties} parties, {first} for {self.parties}")
        if len(self.came) == parties:
            return self._release()
        if living is not None and self._too_few(living):
            gone = sorted(set(lost) - set(living))
            return self._break("too few are left" + f", {', '.join(gone)} had ended" * bool(gone))
        return []

    def leave(self, token: int, why: str) -> list[int]:
        """Let a party go that waits no longer, for a reason that follows its name."""
        party = self.came.get(token)
        return [] if party is None or self.why else self._break(f"{party} {why}")

    def ended(self, peer: str, why: str, living: Collection[str]) -> list[int]:
        """Note that a peer has ended, with what it has started; `living` are the others."""
        if self.why or not self.came:
            return []
        if any(party.peer == peer for party in self.came.values()):
            return self._break(f"{peer} had come and ended: {why}")
        if self._too_few(living):
            return self._break(f"too few are left: {peer} ended: {why}")
        return []

    def missing(self, peers: Collection[str]) -> list[str]:
        """Return from which of these peers nobody has come."""
        here = {party.peer for party in self.came.values()}
        return [peer for peer in peers if peer not in here]

    def _too_few(self, living: Collection[str]) -> bool:
        peers = {party.peer for party in self.came.values() if party.peer and not party.process}
        others = len(self.came) - len(peers)
        more = len(set(living) - peers) + max(0, self._others - others)
        return len(self.came) + more < self.parties

    def _break(self, why: str) -> list[int]:
        self.why = why
        return list(self.came)

    def _release(self) -> list[int]:
        tokens = list(self.came)
        self.came = {}
        return tokens
