"""Who has changed which setting of a link, so that each change can be undone alone. No I/O."""

from __future__ import annotations

from collections.abc import Mapping

from .verdicts import Counts, Settings

#: What settings do to packets, by what is counted of it.
_MET_BY = {
    "dropped": ("loss",),
    "delayed": ("delay", "jitter", "rate"),
    "duplicated": ("duplicate",),
    "corrupted": ("corrupt",),
    "reordered": ("reorder",),
}


class Changes:
    """Settings by the numbers of the faults that have made them; of each setting the last holds."""

    def __init__(self) -> None:
        self._values: dict[tuple[int, str], float] = {}  # in the order in which they were made
        self._counts: dict[int, Counts] = {}

    @property
    def settings(self) -> Settings:
        """What holds."""
        return Settings(**{name: value for (_, name), value in self._values.items()})

    @property
    def counts(self) -> dict[int, Counts]:
        """The packets that have met what a fault has set, by its number."""
        return self._counts

    def set(self, number: int, given: Mapping[str, float]) -> None:
        """Have a fault change these settings, and leave its others."""
        self._counts.setdefault(number, Counts())
        for name, value in given.items():
            self._values.pop((number, name), None)
            self._values[number, name] = value

    def part(self, number: int, other: int, before: Mapping[str, float | None]) -> None:
        """Have another fault have these settings, as they are; its own are what they were before."""
        for name, value in before.items():
            now = self._values.pop((number, name))
            if value is not None:
                self._values[number, name] = value
            self.set(other, {name: now})

    def undo(self, number: int) -> Counts:
        """Undo what a fault has changed; return what it has counted."""
        for key in [key for key in self._values if key[0] == number]:
            del self._values[key]
        return self._counts.pop(number)

    def count(self, met: Counts) -> None:
        """Count a packet for the faults that have set what it has met."""
        if not met.hits:
            return
        names = {
            name: kind for kind, every in _MET_BY.items() if getattr(met, kind) for name in every
        }
        found: dict[int, set[str]] = {}
        for (number, name), value in self._values.items():
            if value and name in names:
                found.setdefault(number, set()).add(names[name])
        for number, kinds in found.items():
            counts = self._counts[number]
            counts.hits += 1
            for kind in kinds:
                setattr(counts, kind, getattr(counts, kind) + getattr(met, kind))
