"""What happens to a packet on its way from one host to another; no I/O, no clock of its own."""

from __future__ import annotations

import random
from dataclasses import dataclass, field, fields
from typing import NamedTuple

from .packets import Packet

#: For so long waits a packet that is to be overtaken, or up to three times that: two of them are
#: not in the order in which they came either.
OVERTAKEN_SECONDS = 0.025


class Sending(NamedTuple):
    """That a frame goes on, and when."""

    at: float
    frame: bytes


@dataclass(frozen=True, slots=True)
class Settings:
    """What a way from one host to another does to packets. Seconds, probabilities, bits a second."""

    delay: float = 0.0
    jitter: float = 0.0
    loss: float = 0.0
    duplicate: float = 0.0
    corrupt: float = 0.0
    reorder: float = 0.0
    rate: float = 0.0

    def described(self) -> str:
        """Return what it names, such as ``delay 0.05, loss 0.2``."""
        named = ((each.name, getattr(self, each.name)) for each in fields(self))
        return ", ".join(f"{name} {value:g}" for name, value in named if value) or "no faults"

    def changed(self, others: Settings) -> list[str]:
        """Return the names of those that others have in another way."""
        names = (each.name for each in fields(self))
        return [name for name in names if getattr(self, name) != getattr(others, name)]

    def only(self, *names: str) -> Settings:
        """Return some of them, without the others; other names are none of them."""
        return Settings(**{name: getattr(self, name) for name in names if name in self.__slots__})


@dataclass(slots=True)
class Counts:
    """How many packets of programs a fault has touched."""

    hits: int = 0
    dropped: int = 0
    delayed: int = 0
    duplicated: int = 0
    corrupted: int = 0
    reordered: int = 0
    held: int = 0

    def add(self, met: Counts) -> None:
        """Count what a link has done to a packet."""
        self.hits += met.hits
        self.dropped += met.dropped
        self.delayed += met.delayed
        self.duplicated += met.duplicated
        self.corrupted += met.corrupted
        self.reordered += met.reordered


class Drawn(NamedTuple):
    """Random numbers for one packet, from 0 to 1: a fault of a lower probability meets it.

    All are drawn for each packet, so that a change of one setting leaves the others' sequence.
    """

    loss: float
    double: float
    damage: float
    late: float
    spread: float
    bit: float
    wait: float

    @classmethod
    def by(cls, draw: random.Random) -> Drawn:
        return cls(*(draw.random() for _ in cls._fields))


#: The packet meets all that it can meet, and jitter at its most.
CERTAIN = Drawn(loss=0, double=0, damage=0, late=0, spread=1, bit=0, wait=0)


class Draws:
    """Random numbers that repeat with their seed: a sequence for each way and protocol."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._of: dict[tuple[int, int, int], random.Random] = {}

    def of(self, source: int, target: int, protocol: int) -> random.Random:
        """Return the sequence of the way between these hosts, for this protocol."""
        key = source, target, protocol
        if key not in self._of:
            self._of[key] = random.Random(f"{self._seed} {key}")
        return self._of[key]


@dataclass(slots=True)
class Way:
    """What a link from one host to another remembers of earlier packets."""

    settings: Settings = field(default_factory=Settings)
    #: When the last byte so far has left the sender, at a limited rate.
    free_at: float = 0.0
    #: When the packet before arrives: jitter alone changes no order.
    last: float = 0.0

    def change(self, settings: Settings) -> None:
        """Have other settings. What comes does not wait behind packets that the old ones delayed."""
        timed = "delay", "jitter", "rate"
        if settings.only(*timed) != self.settings.only(*timed):
            self.free_at = self.last = 0.0
        self.settings = settings

    def pass_on(self, packet: Packet, now: float, drawn: Drawn, counts: Counts) -> list[Sending]:
        """Decide about a packet; return what goes on of it and when."""
        settings = self.settings
        if drawn.loss < settings.loss:
            counts.dropped += 1
            return []
        at = now
        if settings.rate:
            at = self.free_at = max(now, self.free_at) + len(packet.frame) * 8 / settings.rate
        at += max(0.0, settings.delay + settings.jitter * (2 * drawn.spread - 1))
        at = max(at, self.last)
        counts.delayed += at > now
        frame = packet.frame
        if drawn.damage < settings.corrupt:
            counts.corrupted += 1
            frame = flipped(packet, drawn.bit)
        if drawn.late < settings.reorder:
            counts.reordered += 1
            at += OVERTAKEN_SECONDS * (1 + 2 * drawn.wait)
        else:
            self.last = at
        sendings = [Sending(at, frame)]
        if drawn.double < settings.duplicate:
            counts.duplicated += 1
            sendings.append(Sending(at, frame))
        return sendings


def flipped(packet: Packet, draw: float) -> bytes:
    """Return the frame with one bit of its payload flipped, or of its checksum without a payload."""
    start = len(packet.frame) - max(1, len(packet.payload))
    at = start + int(draw * (len(packet.frame) - start))
    changed = bytearray(packet.frame)
    changed[at] ^= 1 << int(draw * 8191) % 8
    return bytes(changed)
