"""Where peers are, for the errors of waits that were in vain: their stacks, below a cycle of waits."""

from __future__ import annotations

from collections.abc import Iterable

from ...evidence.stack_text import merged, parts
from ...evidence.stacks import SECONDS_OF_SEVERAL, record_all
from ..lifecycle import PeerLife
from . import deadlock

#: Peers whose stacks an error shows.
_MOST = 10
#: Seconds: who waits for less looks again and again, and would look for longer than it waits.
_LOOK = 0.1


def after(limit: float | None, lives: Iterable[PeerLife], occasion: str) -> str:
    """Return it on lines of their own, for the end of a message; nothing after a mere look."""
    text = "" if limit is None or limit < _LOOK else of(lives, occasion)
    return f"\n{text}" if text else ""


def of(lives: Iterable[PeerLife], occasion: str, seconds: float = SECONDS_OF_SEVERAL) -> str:
    """Return the stacks of some peers, equal ones once, and a cycle of all of their factory.

    :param occasion: why, for ``stacks.txt``.
    :param seconds: for the stacks of those that do not answer.
    """
    # In the order of their numbers, if they have some.
    asked = sorted(lives, key=lambda life: (len(life.options.name), life.options.name))[:_MOST]
    texts = record_all([life.stacks for life in asked], occasion, seconds)
    names = [life.options.name for life in asked]
    stacks = {name: list(parts(text)) for name, text in zip(names, texts, strict=True)}
    cycle = deadlock.told(asked[0].owner.left()) if asked else ""
    shown = [f"{', '.join(together)}:\n{text}" for together, text in merged(stacks)]
    return "\n\n".join(filter(None, [cycle, *shown]))
