"""What canaries on a link say: whether each of its settings is in force. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import NamedTuple

from ..switch.filters import Pair
from ..switch.verdicts import OVERTAKEN_SECONDS, Settings

#: What is computed from times may be so much too small.
_ROUNDING = 1e-6


class Seen(NamedTuple):
    """What became of a canary."""

    #: The bytes of its frame.
    size: int
    #: How often it came before its fence.
    times: int = 0
    #: When it came, after it was sent.
    seconds: float = 0.0
    #: Why nothing is known of it.
    error: str = ""

    def __str__(self) -> str:
        if self.error or not self.times:
            return self.error or "stopped"
        return "arrived" if self.times == 1 else f"arrived {self.times} times"


def tried(pairs: Collection[Pair], most: int) -> list[Pair]:
    """Return ways of a fault to prove it by: of many so many, with each host if they can have it."""
    every = sorted(pairs)
    if len(every) <= most:
        return every
    seen: set[int] = set()
    found: dict[Pair, None] = {}
    for news in (2, 1):  # first those that two hosts are new in
        for pair in every:
            if len(seen.union(pair)) - len(seen) == news:
                back = pair[::-1]
                # In turn there and back, as a fault may stand in one direction only.
                found[back if len(found) % 2 and back in pairs else pair] = None
                seen.update(pair)
    rest = [pair for pair in every if pair not in found]
    more = most - len(found)
    return [*found, *(rest[number * len(rest) // more] for number in range(more))][:most]


def doubt(name: str, settings: Settings, seen: Seen, closed: bool) -> str:
    """Return why a setting seems not to be in force, by a canary that probed it; else nothing.

    :param closed: whether another fault lets nothing pass; or, if the setting is 0, has one itself.
    """
    if seen.error:
        return seen.error
    if not getattr(settings, name):
        return "" if closed or seen.times == 1 else str(seen)
    if name == "duplicate":
        return "" if closed or seen.times > 1 else str(seen)
    if not seen.times:
        return ""
    if name in ("loss", "corrupt"):
        return str(seen)
    if seen.seconds < _least(name, settings, seen.size) * (1 - _ROUNDING):
        return f"arrived after {seen.seconds:.6f} s"
    return ""


def _least(name: str, settings: Settings, size: int) -> float:
    """Return the seconds that a canary takes at least, at draws that are certain."""
    least: Mapping[str, float] = {
        "delay": settings.delay,
        "jitter": settings.jitter,
        "reorder": OVERTAKEN_SECONDS,
        "rate": size * 8 / (settings.rate or 1),
    }
    return least[name]
