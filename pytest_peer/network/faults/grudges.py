"""Who does not hear whom: Jepsen's grudges. From hosts to directed ways that are cut; no I/O."""

from __future__ import annotations

import itertools
import random
from collections.abc import Collection, Iterable, Sequence
from typing import TypeVar

T = TypeVar("T")
#: Groups of hosts that do not hear each other.
Groups = tuple[tuple[T, ...], ...]


def between(groups: Iterable[Collection[T]]) -> frozenset[tuple[T, T]]:
    """Return all ways between groups, in both directions."""
    return frozenset(
        way
        for one, other in itertools.permutations(list(groups), 2)
        for way in itertools.product(one, other)
    )


def halves(hosts: Sequence[T], draw: random.Random) -> Groups[T]:
    """Return a minority and a majority, drawn; of an even number two equal halves.

    :raises ValueError: less than two hosts.
    """
    at_least(2, hosts, "halves")
    minority = frozenset(draw.sample(range(len(hosts)), len(hosts) // 2))
    return (
        tuple(host for place, host in enumerate(hosts) if place in minority),
        tuple(host for place, host in enumerate(hosts) if place not in minority),
    )


def bridge(hosts: Sequence[T], draw: random.Random) -> tuple[T, Groups[T]]:
    """Return the host that both halves of the others still hear, and these halves; all drawn.

    :raises ValueError: less than three hosts.
    """
    at_least(3, hosts, "bridge")
    middle = draw.randrange(len(hosts))
    others = [host for place, host in enumerate(hosts) if place != middle]
    return hosts[middle], halves(others, draw)


def isolate(hosts: Sequence[T], one: T) -> Groups[T]:
    """Return one host, and all others; that one need not be among them.

    :raises ValueError: there are no others.
    """
    at_least(2 if one in hosts else 1, hosts, "isolate")
    return (one,), tuple(host for host in hosts if host != one)


def majorities_ring(hosts: Sequence[T], draw: random.Random) -> frozenset[tuple[T, T]]:
    """Return ways with which each host hears a majority, but no two hear the same one.

    The hosts are a ring, in an order that is drawn; each hears its neighbours on both sides, as
    few as make a majority with itself. Who hears another is heard by it, so TCP works: where
    Jepsen's ring has one-way cuts, a host here hears one more. Three hosts are a chain.

    :raises ValueError: less than three hosts: two hear both or no majority.
    """
    at_least(3, hosts, "majorities_ring")
    ring = draw.sample(hosts, len(hosts))
    count = len(ring)
    if count == 3:
        return between([ring[:1], ring[2:]])
    reach = (count // 2 + 1) // 2  # on each side
    return frozenset(
        (ring[a], ring[b])
        for a, b in itertools.permutations(range(count), 2)
        if min((a - b) % count, (b - a) % count) > reach
    )


def at_least(count: int, hosts: Sequence[object], name: str) -> None:
    """Raise ValueError if there are fewer hosts."""
    if len(hosts) < count:
        raise ValueError(f"{name}: expected at least {count} hosts with peers, got {len(hosts)}")
