"""Find which of many causes matter: Zeller's delta debugging. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

T = TypeVar("T")


def smallest(items: Sequence[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """Return some of `items` that fail together, and do not without any one of them.

    :param fails: says whether some of them, in their order, fail; not asked for the same twice.
        All of them do.
    """
    if not items or fails([]):
        return []
    kept, parts = list(range(len(items))), 2
    known = {tuple(kept): True}

    def fail(some: list[int]) -> bool:
        key = tuple(some)
        if key not in known:
            known[key] = fails([items[place] for place in some])
        return known[key]

    while len(kept) > 1:
        size = -(-len(kept) // parts)
        chunks = [kept[start : start + size] for start in range(0, len(kept), size)]
        rests = [[place for place in kept if place not in chunk] for chunk in chunks]
        for some, next_parts in [
            *((chunk, 2) for chunk in chunks),
            *((rest, max(2, parts - 1)) for rest in rests),
        ]:
            if fail(some):
                kept, parts = some, next_parts
                break
        else:
            if parts >= len(kept):
                break
            parts = min(len(kept), parts * 2)
    return [items[place] for place in kept]
