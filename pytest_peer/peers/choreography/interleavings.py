"""The orders in which the steps of several sessions can follow each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any

from ...core.clock import seconds

if TYPE_CHECKING:
    from ..group import PeerGroup
    from .interleaving_run import InterleavingRun

#: As many orders as three sessions of four steps have.
_MOST = 34_650


@dataclass(frozen=True)
class Step:
    """A function that one of the sessions calls."""

    session: str
    name: str
    fn: Callable[[], Any] = field(compare=False)

    def __str__(self) -> str:
        return f"{self.session}.{self.name}"

    def __repr__(self) -> str:
        return f"<Step {self}>"


@dataclass(frozen=True)
class Interleaving:
    """One order of the steps of several sessions; `interleavings` makes them.

    ``str`` gives its text form, ``"s1.begin s2.begin s1.commit s2.commit"``.
    """

    #: The names of the sessions; the first is run by the first peer of a group.
    sessions: tuple[str, ...]
    #: The steps, in their order.
    steps: tuple[Step, ...]

    def __str__(self) -> str:
        return " ".join(map(str, self.steps))

    def __repr__(self) -> str:
        return f"<Interleaving {self}>"

    def run(self, group: PeerGroup, timeout: float | None = 5.0) -> InterleavingRun:
        """Run the steps in this order, each session in a peer of its own.

        A step begins when the one before it has ended, or waits for something that another session
        has, as the kernel says. Further steps of a session that waits are put off until it goes on.
        An exception of a step is its result.

        :param group: The peers; the first is the first session. More than sessions are left alone.
        :param timeout: Seconds for each step, from when nothing else keeps it; 5 by default,
            ``None`` for no limit.
        :raises InterleavingStuck: Steps are left that cannot end; says who holds what.
        :raises ValueError: The group has fewer peers than there are sessions.
        :raises PeerDown: A peer has ended.
        """
        if len(group) < len(self.sessions):
            raise ValueError(
                f"expected a peer for each of the {len(self.sessions)} sessions"
                f" ({', '.join(self.sessions)}), got a group of {len(group)}"
            )
        from .interleaving_run import run  # most never need it

        peers = dict(zip(self.sessions, group, strict=False))
        return run(self, peers, seconds("timeout", timeout))


def interleavings(
    *, orders: Iterable[str] | None = None, **sessions: Sequence[Callable[[], Any]]
) -> list[Interleaving]:
    """Return the orders in which the steps of sessions can follow each other.

    PostgreSQL's isolationtester does this for SQL. Give the result to ``pytest.mark.parametrize``,
    with ``ids=str``.

    :param orders: Those that are wanted, such as ``["s1.begin s2.begin s1.commit s2.commit"]``;
        ``None``, the default, for all. Each has every step once, those of a session in its order.
    :param sessions: For each session its steps: functions without parameters that run in its peer.
        A step has the name of its function.
    :raises ValueError: Two steps of a session have one name, or an order is none of these steps;
        also if there are more than 34,650 orders and `orders` is not given.
    :raises TypeError: A step cannot be called.
    """
    if not sessions:
        raise ValueError("expected sessions, such as s1=[begin, commit]")
    steps = {name: _steps(name, fns) for name, fns in sessions.items()}
    names = tuple(steps)
    if orders is None:
        count = _count([len(each) for each in steps.values()])
        if count > _MOST:
            raise ValueError(f"these steps have {count:,} orders: choose some of them by orders=")
        return [Interleaving(names, order) for order in _merges(steps)]
    if isinstance(orders, str):
        raise TypeError(f"orders: expected a list of texts, got {orders!r}")
    return [Interleaving(names, parse(order, steps)) for order in orders]


def parse(order: str, sessions: Mapping[str, Sequence[Step]]) -> tuple[Step, ...]:
    """Read the text form of an order; ``ValueError`` says what is wrong with it."""
    known = {str(step): step for steps in sessions.values() for step in steps}
    words = order.split()
    unknown = [word for word in words if word not in known]
    if unknown:
        raise ValueError(f"no step {unknown[0]!r} in order {order!r}; there are: {' '.join(known)}")
    twice = [word for word, count in Counter(words).items() if count > 1]
    if twice:
        raise ValueError(f"step {twice[0]!r} is twice in order {order!r}")
    missing = [word for word in known if word not in words]
    if missing:
        raise ValueError(f"step {missing[0]!r} is missing in order {order!r}")
    for session, steps in sessions.items():
        got = [known[word] for word in words if known[word].session == session]
        if got != list(steps):
            raise ValueError(
                f"order {order!r} has the steps of session {session!r} not in their order:"
                f" {' '.join(map(str, steps))}"
            )
    return tuple(known[word] for word in words)


def _steps(session: str, fns: Sequence[Callable[[], Any]]) -> list[Step]:
    steps: list[Step] = []
    for fn in fns:
        if not callable(fn):
            raise TypeError(f"session {session!r}: expected functions, got {fn!r}")
        named: Any = fn
        while not hasattr(named, "__name__") and hasattr(named, "func"):  # a partial
            named = named.func
        name = getattr(named, "__name__", type(fn).__name__)
        if any(step.name == name for step in steps):
            raise ValueError(f"session {session!r} has two steps of the name {name!r}")
        steps.append(Step(session, name, fn))
    if not steps:
        raise ValueError(f"session {session!r} has no steps")
    return steps


def _count(lengths: Sequence[int]) -> int:
    from math import comb

    total, count = 0, 1
    for length in lengths:
        total += length
        count *= comb(total, length)
    return count


def _merges(sessions: Mapping[str, Sequence[Step]]) -> Iterator[tuple[Step, ...]]:
    """Give all orders; those in which the first session is early come first."""
    left = {name: steps for name, steps in sessions.items() if steps}
    if not left:
        yield ()
    for name, steps in left.items():
        for rest in _merges({**left, name: tuple(islice(steps, 1, None))}):
            yield (steps[0], *rest)
