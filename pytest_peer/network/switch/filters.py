"""What stands in the way of packets: the switch's side of each fault. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .changes import Changes
from .packets import Packet
from .verdicts import CERTAIN, Counts, Drawn, Draws, Sending, Settings, Way

#: What a canary probes: one setting of a link by its name, all of them, or none, so that links let
#: it pass.
ALL, NONE = "all", "none"
#: A way from one host to another, by their numbers.
Pair = tuple[int, int]


@dataclass(slots=True)
class Filter:
    """Stands between all hosts of `pairs`, and counts what it touches."""

    number: int
    pairs: frozenset[Pair]
    counts: Counts = field(default_factory=Counts)
    #: Which one of all it is, in the order in which they were made.
    order: int = 0

    def pass_on(self, packet: Packet, pair: Pair, now: float) -> list[Sending]:
        """Return what goes on of a packet, and when."""
        raise NotImplementedError

    def count(self, packet: Packet) -> Counts:
        """Count a packet, unless no program has sent it; return where to count what it meets."""
        if packet.canary or packet.chatter:
            return Counts()
        self.counts.hits += 1
        return self.counts


@dataclass(slots=True)
class CutFilter(Filter):
    """Drops all."""

    def pass_on(self, packet: Packet, pair: Pair, now: float) -> list[Sending]:  # noqa: ARG002
        self.count(packet).dropped += 1
        return []


@dataclass(slots=True)
class LinkFilter(Filter):
    """Delays, loses, doubles, damages packets, by draws that repeat with the seed."""

    settings: Settings = field(default_factory=Settings)
    draws: Draws = field(default_factory=lambda: Draws(0))
    #: Who has made the settings, if there are several.
    changes: Changes = field(default_factory=Changes)
    _ways: dict[Pair, Way] = field(default_factory=dict)

    def pass_on(self, packet: Packet, pair: Pair, now: float) -> list[Sending]:
        if packet.chatter:
            return [Sending(now, packet.frame)]
        if packet.canary:  # without a draw: it always meets what it probes
            probed = Way(self.probed(packet.probed))
            return probed.pass_on(packet, now, CERTAIN, Counts())
        way = self._ways.setdefault(pair, Way())
        if way.settings is not self.settings:
            way.change(self.settings)
        met = Counts()
        draw = self.draws.of(*pair, packet.protocol)
        sendings = way.pass_on(packet, now, Drawn.by(draw), met)
        met.hits = _touches(met)
        self.counts.add(met)
        self.changes.count(met)
        return sendings

    def probed(self, what: str) -> Settings:
        """Return what a canary meets that probes this: a setting by its name, `ALL` or `NONE`."""
        return self.settings if what == ALL else self.settings.only(what)


@dataclass(slots=True)
class HoldFilter(Filter):
    """Keeps packets until they are released or dropped; canaries too, which show that it does."""

    held: list[tuple[Packet, Pair]] = field(default_factory=list)

    def pass_on(self, packet: Packet, pair: Pair, now: float) -> list[Sending]:
        if packet.chatter:
            return [Sending(now, packet.frame)]
        self.count(packet).held += 1
        self.held.append((packet, pair))
        return []

    def of_programs(self) -> list[tuple[Packet, Pair]]:
        """Return what it keeps but canaries."""
        return [each for each in self.held if not each[0].canary]


class Filters:
    """All that stand in the way, in the order in which they came."""

    def __init__(self) -> None:
        self._all: dict[int, Filter] = {}
        self._of: dict[Pair, list[Filter]] = {}
        #: How many there have been.
        self.made: int = 0

    def __bool__(self) -> bool:
        return bool(self._all)

    def get(self, number: int) -> Filter | None:
        return self._all.get(number)

    def link_of(self, number: int) -> LinkFilter | None:
        """Return the link of which the fault of that number has changed settings."""
        links = (each for each in self._all.values() if isinstance(each, LinkFilter))
        return next((each for each in links if number in each.changes.counts), None)

    def all(self) -> list[Filter]:
        return list(self._all.values())

    def add(self, made: Filter, first: bool = False) -> None:
        """Put one behind the others, or before them."""
        self._all[made.number] = made
        self.made += 1
        made.order = self.made
        for pair in made.pairs:
            every = self._of.setdefault(pair, [])
            every.insert(0 if first else len(every), made)

    def remove(self, number: int) -> Filter | None:
        found = self._all.pop(number, None)
        for pair in found.pairs if found else ():
            self._of[pair].remove(found)  # type: ignore[arg-type]  # there is one
            if not self._of[pair]:
                del self._of[pair]
        return found

    def between(self, pair: Pair) -> list[Filter] | None:
        """Return what stands between two hosts; ``None`` if nothing does."""
        return self._of.get(pair)

    def behind(self, kept: Filter, pair: Pair, passed: int) -> list[Filter]:
        """Return what a packet meets that this one, which is among them, has kept and lets go.

        :param passed: as `Packet.passed` of the packet.
        """
        every = self._of.get(pair, [])
        numbers = [each.number for each in every]
        if kept.number in numbers:
            return every[numbers.index(kept.number) + 1 :]
        return [each for each in every if each.order > passed]  # a rule stands behind all

    def closed_since(self, pair: Pair, passed: int) -> list[Filter]:
        """Return what lets nothing pass, and was not there yet when a packet had met all faults."""
        every = self._of.get(pair, ())
        return [
            each
            for each in every
            if each.order > passed and isinstance(each, CutFilter | HoldFilter)
        ]

    def pass_on(self, packet: Packet, pair: Pair, now: float) -> list[Sending]:
        """Return what goes on of a packet behind all of them."""
        return through(self._of.get(pair, ()), packet, pair, now)


def through(filters: Iterable[Filter], packet: Packet, pair: Pair, now: float) -> list[Sending]:
    """Return what goes on of a packet behind these, one after the other."""
    sendings = [Sending(now, packet.frame)]
    for each in filters:
        passed = [each.pass_on(packet.with_frame(frame), pair, at) for at, frame in sendings]
        sendings = [sending for some in passed for sending in some]
    return sendings


def _touches(met: Counts) -> bool:
    return bool(met.dropped or met.delayed or met.duplicated or met.corrupted or met.reordered)


def pairs(sources: Iterable[int], targets: Iterable[int]) -> frozenset[Pair]:
    """Return the ways from each of the first to each of the others."""
    found = list(targets)
    return frozenset((a, b) for a in sources for b in found if a != b)
