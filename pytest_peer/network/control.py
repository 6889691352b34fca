"""What the origin asks of the process that holds the network: faults, their healing, their counts."""

from __future__ import annotations

import threading
from collections.abc import Collection
from dataclasses import asdict

from .abort import Reset
from .filters import Filter, HoldFilter, LinkFilter, Pair
from .holder import held
from .questions import Action, RuleFilter
from .verdicts import Draws, Settings

#: Of one fault so many ways are tried, each host at least once if there are no more.
_MOST_CANARIES = 32
#: Seconds for the origin to decide about all packets that wait.
_SETTLED_SECONDS = 10.0


def cut(number: int, pairs: frozenset[Pair]) -> dict[Pair, str]:
    """Let nothing pass on these ways; return what became of canaries on them."""
    held().switch.run(held().switch.filters.add, Filter(number, pairs))
    return prove(pairs)


def link(number: int, pairs: frozenset[Pair], settings: Settings, seed: int) -> None:
    """Have these ways delay, lose or change packets, instead of what a filter of that number did."""
    switch = held().switch

    def change() -> None:
        found = switch.filters.get(number)
        if isinstance(found, LinkFilter):
            found.settings = settings
        else:
            made = LinkFilter(number, pairs, settings=settings, draws=Draws(seed))
            switch.filters.add(made)

    switch.run(change)


def wan(segments: Pair, settings: Settings, seed: int) -> None:
    """Join two segments, and have both ways between them delay, lose or change packets."""
    held().switch.run(held().switch.joints.join, segments, settings, seed)


def wan_counts(segments: Pair) -> dict[str, int]:
    """Return the counts of what is between two segments."""
    return held().switch.run(held().switch.joints.counts, segments)


def hold(number: int, pairs: frozenset[Pair]) -> None:
    """Keep what comes on these ways."""
    held().switch.run(held().switch.filters.add, HoldFilter(number, pairs))


def rule(number: int, action: Action, seed: int) -> None:
    """Ask the origin about each packet, and do this to those that it names."""
    made = RuleFilter(number, frozenset(), action=action, draws=Draws(seed))
    held().question()
    held().switch.run(held().switch.questions.add, made)


def abort(number: int, pairs: frozenset[Pair]) -> tuple[int, list[str]]:
    """Reset the connections on these ways; see `Reset.run`."""
    return Reset(held(), pairs).run(number)


def settle(seconds: float | None) -> None:
    """Wait until the origin has decided about all packets that wait now."""
    done, switch = threading.Event(), held().switch
    switch.run(switch.questions.when_answered, done.set)
    if not done.wait(_SETTLED_SECONDS if seconds is None else seconds):
        raise TimeoutError("rule: a predicate has not decided about a packet in time")


def packets(number: int) -> list[tuple[bytes, Pair]]:
    """Return the frames that a hold keeps, oldest first."""
    found = _hold(number)
    run = held().switch.run
    return run(lambda: [(packet.frame, pair) for packet, pair in found.held])


def release(number: int, reverse: bool, drop: bool) -> int:
    """Let go, or drop, what a hold keeps; return how many packets that were. It keeps what comes."""
    found, switch = _hold(number), held().switch

    def release_all() -> int:
        every, found.held = found.held, []
        if drop:
            found.counts.dropped += len(every)
        else:
            for packet, pair in reversed(every) if reverse else every:
                switch.deliver(packet.frame, pair[1])
        return len(every)

    return switch.run(release_all)


def heal(number: int) -> tuple[dict[str, int], dict[Pair, str], dict[Pair, bool]]:
    """End a fault; return its counts, what became of canaries behind it, and which ways are cut."""
    switch = held().switch

    def end() -> tuple[dict[str, int], frozenset[Pair]]:
        found = switch.filters.remove(number)
        if found is None:
            return {}, frozenset()
        if isinstance(found, RuleFilter):
            switch.questions.ended()
        if isinstance(found, HoldFilter):
            for packet, pair in found.held:
                switch.deliver(packet.frame, pair[1])
        return asdict(found.counts), found.pairs

    counts, pairs = switch.run(end)
    return counts, prove(pairs), {pair: _closed(pair) for pair in _some(pairs)}


def counts() -> dict[int, dict[str, int]]:
    """Return the counts of all faults that are in force, by their numbers."""
    switch = held().switch
    return switch.run(lambda: {each.number: asdict(each.counts) for each in switch.filters.all()})


def on_its_way() -> tuple[int, int]:
    """Return how many packets are delayed, and how many wait for the origin; none that is held.

    What hosts have sent before has gone on, or is among them.
    """
    switch = held().switch
    return switch.run(lambda: (switch.delayed, switch.questions.waiting))


def prove(pairs: Collection[Pair]) -> dict[Pair, str]:
    """Send canaries on these ways, or on some of them if there are many."""
    return held().canaries.between(_some(pairs))


def _closed(pair: Pair) -> bool:
    """Return whether nothing passes on a way."""
    switch = held().switch
    source, target = (held().place_of(number).host for number in pair)
    joints = switch.joints
    between = switch.run(joints.between, source, target)
    every = switch.run(lambda: list(switch.filters.between(pair) or ()))
    every += [] if between is None else [between]
    return not switch.run(joints.reach, source, target) or any(
        type(each) is Filter or (isinstance(each, LinkFilter) and each.settings.loss >= 1)
        for each in every
    )


def _some(pairs: Collection[Pair]) -> list[Pair]:
    every = sorted(pairs)
    step = max(1, -(-len(every) // _MOST_CANARIES))
    return every[::step]


def _hold(number: int) -> HoldFilter:
    found = held().switch.filters.get(number)
    if not isinstance(found, HoldFilter):
        raise RuntimeError("this hold is over")
    return found
