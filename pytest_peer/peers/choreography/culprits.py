"""What kept all from rest, of what was busy at many looks. No input, no output."""

from collections import Counter
from collections.abc import Collection, Hashable, Mapping
from typing import TypeVar

T = TypeVar("T", bound=Hashable)

#: Of all looks so many, as a part, may be left that nothing explains: others run for a moment.
_LEFT = 0.1
#: What was busy as often as the busiest, times this, is named with it.
_AS_BUSY = 0.5


def culprits(looks: Mapping[frozenset[T], int], ours: Collection[T] = ()) -> list[tuple[T, int]]:
    """Return what kept all from rest, and at how many looks it was busy; the most likely first.

    That is what was busy at most looks, and what was so where this was not.

    :param looks: what was busy together, and at how many looks just that was.
    :param ours: left out if there is anything else.
    """
    theirs = Counter[frozenset[T]]()
    for busy, times in looks.items():
        theirs[busy.difference(ours)] += times
    left = {busy: times for busy, times in (theirs if any(theirs) else looks).items() if busy}
    counts, few = _counts(left), _LEFT * sum(left.values())
    most = max(counts.values(), default=0)
    found = {who for who, count in counts.items() if count >= _AS_BUSY * most}
    while left := {busy: times for busy, times in left.items() if found.isdisjoint(busy)}:
        if sum(left.values()) <= few:
            break
        found.add(_counts(left).most_common(1)[0][0])
    return [(who, count) for who, count in counts.most_common() if who in found]


def _counts(looks: Mapping[frozenset[T], int]) -> Counter[T]:
    counts: Counter[T] = Counter()
    for busy, times in looks.items():
        for who in busy:
            counts[who] += times
    return counts
