"""What the origin asks of the process that holds the network: faults, their healing, their counts."""

from __future__ import annotations

import threading
from collections.abc import Collection, Mapping
from dataclasses import asdict

from ..switch.filters import ALL, NONE, CutFilter, HoldFilter, LinkFilter, Pair
from ..switch.losses import Lost, dropped
from ..switch.questions import Action, RuleFilter
from ..switch.verdicts import Draws, Settings
from .abort import Reset
from .canaries import Probe
from .holder import held
from .netlink import INTERFACE
from .proofs import doubt, tried

#: Why settings of a link seem not to be in force, by their names and by the way.
Doubts = dict[str, dict[Pair, str]]

#: Of one fault so many ways are tried, each host at least once if there are no more.
_MOST_CANARIES = 32


def cut(number: int, pairs: frozenset[Pair]) -> dict[Pair, str]:
    """Let nothing pass on these ways; return on which something does."""
    held().switch.run(held().switch.filters.add, CutFilter(number, pairs))
    return _passing(pairs)


def link(number: int, pairs: frozenset[Pair], given: Mapping[str, float], seed: int) -> Doubts:
    """Have a fault change settings of a way; those of other faults, and its others, stay."""
    filters = held().switch.filters

    def change() -> tuple[Settings, Settings]:
        (pair,) = pairs
        found = next((e for e in filters.between(pair) or () if isinstance(e, LinkFilter)), None)
        if found is None:
            found = LinkFilter(number, pairs, draws=Draws(seed))
            filters.add(found)
        found.changes.set(number, given)
        before, found.settings = found.settings, found.changes.settings
        return before, found.settings

    before, settings = held().switch.run(change)
    return _doubts(pairs, before.only(*given), settings.only(*given))


def part(number: int, other: int, before: Mapping[str, float | None]) -> None:
    """Have another fault of a link have some of its settings; see `Changes.part`."""
    found = held().switch.filters.link_of(number)
    if found is None:
        raise RuntimeError("this setting of a link is over")
    held().switch.run(found.changes.part, number, other, before)


def wan(segments: Pair, settings: Settings, seed: int) -> Doubts:
    """Join two segments, and have both ways between them delay, lose or change packets."""
    before = held().switch.run(held().switch.joints.join, segments, settings, seed)
    hosts = {place.host.segment: place.host.number for place in held().of_hosts()}
    if not hosts.keys() >= {*segments}:
        return {}  # nobody is there yet
    one, other = (hosts[segment] for segment in segments)
    return _doubts([(one, other), (other, one)], before, settings)


def wan_counts(segments: Pair) -> dict[str, int]:
    """Return the counts of what is between two segments."""
    return held().switch.run(held().switch.joints.counts, segments)


def hold(number: int, pairs: frozenset[Pair]) -> dict[Pair, str]:
    """Keep what comes on these ways; return on which something passes."""
    held().switch.run(held().switch.filters.add, HoldFilter(number, pairs))
    return _passing(pairs)


def rule(number: int, action: Action, seed: int) -> None:
    """Ask the origin about each packet, and do this to those that it names."""
    made = RuleFilter(number, frozenset(), action=action, draws=Draws(seed))
    held().question()
    held().switch.run(held().switch.questions.add, made)


def abort(number: int, pairs: frozenset[Pair]) -> tuple[int, list[str]]:
    """Reset the connections on these ways; see `Reset.run`."""
    return Reset(held(), pairs).run(number)


def settle(seconds: float) -> bool:
    """Wait until the origin has decided about all packets that wait now; return whether it has."""
    done, switch = threading.Event(), held().switch
    switch.run(switch.questions.when_answered, done.set)
    return done.wait(seconds)


def packets(number: int) -> list[tuple[bytes, Pair]]:
    """Return the frames that a hold keeps, oldest first."""
    found = _hold(number)
    run = held().switch.run
    return run(lambda: [(packet.frame, pair) for packet, pair in found.of_programs()])


def release(number: int, reverse: bool, drop: bool) -> int:
    """Let go, or drop, what a hold keeps; return how many packets that were. It keeps what comes."""
    found, switch = _hold(number), held().switch

    def release_all() -> int:
        every, found.held = found.of_programs(), []
        if drop:
            found.counts.dropped += len(every)
        else:
            switch.let_go(found, reversed(every) if reverse else every)
        return len(every)

    return switch.run(release_all)


def heal(number: int) -> tuple[dict[str, int], dict[Pair, str]]:
    """End a fault; return its counts, and why packets still do not pass as they should, by way."""
    switch = held().switch

    def end() -> tuple[dict[str, int], frozenset[Pair], str, tuple[Settings, Settings] | None]:
        link = switch.filters.link_of(number)
        if link and len(link.changes.counts) > 1:
            counts = link.changes.undo(number)
            before, link.settings = link.settings, link.changes.settings
            names = before.changed(link.settings)
            changed = before.only(*names), link.settings.only(*names)
            return asdict(counts), link.pairs, NONE, changed
        found = link or switch.filters.get(number)
        if found is None:
            return {}, frozenset(), NONE, None
        if isinstance(found, HoldFilter):
            switch.let_go(found, found.held)
        switch.filters.remove(found.number)
        if isinstance(found, RuleFilter):
            switch.questions.ended()
        if link:
            return asdict(link.changes.counts[number]), link.pairs, ALL, None
        return asdict(found.counts), found.pairs, NONE, None

    counts, pairs, probed, changed = switch.run(end)
    if changed:  # a link of which others have settings too
        doubts = _doubts(pairs, *changed).values()
        return counts, {pair: why for wrong in doubts for pair, why in wrong.items()}
    some = tried(pairs, _MOST_CANARIES)
    excused = {pair for pair in some if _impeded(pair, probed, number)}
    canaries = held().canaries.between(some, probed)
    excused |= {
        pair for pair in some if _impeded(pair, probed, number)
    }  # another thread may heal faults
    return counts, {
        pair: str(seen)
        for pair, seen in canaries.items()
        if (seen.error or seen.times != 1) and pair not in excused
    }


def counts() -> dict[int, dict[str, int]]:
    """Return the counts of all faults that are in force, by their numbers."""
    filters = held().switch.filters

    def find() -> dict[int, dict[str, int]]:
        found = {each.number: each.counts for each in filters.all()}
        for each in filters.all():
            if isinstance(each, LinkFilter):
                found |= each.changes.counts
        return {number: asdict(counts) for number, counts in found.items()}

    return held().switch.run(find)


def lost() -> dict[str, Lost]:
    """Return how many packets got lost by no fault, by the names of hosts that have lost some."""
    switch = held().switch
    hosts = [place.host for place in held().of_hosts()]
    by_switch = [switch.run(switch.lost, host.number) for host in hosts]
    ports = held().dropped()
    found = {}
    for host, (missed, failed) in zip(hosts, by_switch, strict=True):
        sent = missed + dropped(held().proc_net(host.number, "dev")).get(INTERFACE, 0)
        # A newer kernel tells the sender too of what an interface drops, an older one does not.
        received = max(failed, ports.get(host.number, 0))
        if sent or received:
            found[host.name] = Lost(sent, received, held().was_down(host))
    return found


def on_its_way() -> tuple[int, int]:
    """Return how many packets are delayed, and how many wait for the origin; none that is held.

    What hosts have sent before has gone on, or is among them.
    """
    switch = held().switch
    return switch.run(lambda: (switch.delayed, switch.questions.waiting))


def _passing(pairs: Collection[Pair]) -> dict[Pair, str]:
    """Return what became of canaries on ways that shall let nothing pass, if they are not stopped."""
    canaries = held().canaries.between(tried(pairs, _MOST_CANARIES))
    return {pair: str(seen) for pair, seen in canaries.items() if seen.error or seen.times}


def _doubts(pairs: Collection[Pair], before: Settings, settings: Settings) -> Doubts:
    """Return why settings of links seem not to be in force: those that do, or did, something."""
    names = dict.fromkeys((*settings.changed(Settings()), *before.changed(settings)))
    probes = [(pair, name) for pair in tried(pairs, _MOST_CANARIES) for name in names]

    def closed() -> set[Probe]:
        return {
            (pair, name)
            for pair, name in probes
            if _impeded(pair, NONE if getattr(settings, name) else name)
        }

    excused = closed()
    canaries = held().canaries.sent(probes)
    excused |= closed()
    found: Doubts = {}
    for probe, seen in canaries.items():
        pair, name = probe
        if why := doubt(name, settings, seen, probe in excused):
            found.setdefault(name, {})[pair] = why
    return found


def _impeded(pair: Pair, probed: str, number: int = 0) -> bool:
    """Return whether another fault than that one stops canaries on a way, or does more to them."""
    switch = held().switch
    source, target = (held().place_of(number).host for number in pair)

    def find() -> bool:
        between = switch.joints.between(source, target)
        others = [each for each in switch.filters.between(pair) or () if each.number != number]
        every = [*others, *([between] if between else ())]
        links = [each for each in every if isinstance(each, LinkFilter)]
        return (
            not switch.joints.reach(source, target)
            or any(type(each) in (CutFilter, HoldFilter) for each in every)
            or any(each.probed(probed) != Settings() for each in links)
        )

    return switch.run(find)


def _hold(number: int) -> HoldFilter:
    found = held().switch.filters.get(number)
    if not isinstance(found, HoldFilter):
        raise RuntimeError("this hold is over")
    return found
