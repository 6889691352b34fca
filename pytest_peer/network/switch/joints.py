"""Which segments of a network are joined, and what is between them: the switch's side. No I/O."""

from __future__ import annotations

from dataclasses import asdict

from ..addresses import FABRIC, Host
from .filters import Filters, LinkFilter, Pair
from .packets import Packet
from .verdicts import Draws, Sending, Settings


class Joints:
    """One filter for each two segments that are joined; a segment is joined to itself."""

    def __init__(self) -> None:
        self._of: dict[Pair, LinkFilter] = {}

    def join(self, segments: Pair, settings: Settings, seed: int) -> Settings:
        """Join two segments, or change what is between them; return what that was."""
        if segments not in self._of:
            # No link between hosts draws the same numbers.
            made = LinkFilter(0, frozenset(), draws=Draws(~seed))
            self._of[segments] = self._of[segments[::-1]] = made
        between = self._of[segments]
        before, between.settings = between.settings, settings
        return before

    def counts(self, segments: Pair) -> dict[str, int]:
        """Return the counts of both ways between two segments."""
        return asdict(self._of[segments].counts)

    def reach(self, source: Host, target: Host) -> bool:
        """Return whether there is a way."""
        return _share_one(source, target) or (source.segment, target.segment) in self._of

    def between(self, source: Host, target: Host) -> LinkFilter | None:
        """Return what is between two hosts that share no segment, if theirs are joined."""
        if _share_one(source, target):
            return None
        return self._of.get((source.segment, target.segment))

    def pass_on(
        self, packet: Packet, source: Host, target: Host, filters: Filters, now: float
    ) -> list[Sending]:
        """Return what goes on of a packet behind all that is on its way."""
        pair = source.number, target.number
        between = self.between(source, target)
        if between is None:
            return filters.pass_on(packet, pair, now)
        segments = source.segment, target.segment
        return [
            sending
            for at, frame in between.pass_on(packet, segments, now)
            for sending in filters.pass_on(packet.with_frame(frame), pair, at)
        ]


def _share_one(source: Host, target: Host) -> bool:
    """Return whether two hosts are in one segment; the nameserver is in all."""
    return source.segment == target.segment or FABRIC in (source.number, target.number)
