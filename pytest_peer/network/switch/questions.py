"""Packets that wait until the origin has said which rules they meet. No I/O."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, fields

from .filters import Filters, HoldFilter, Pair, through
from .packets import Packet
from .verdicts import Draws, Sending, flipped

#: Mailboxes: that of the origin, and that of the process that holds the network.
QUESTIONS, ANSWERS = "packets", "rules met"
#: The number of a question; the frame; the names of the hosts that it comes from and goes to.
Question = tuple[int, bytes, str, str]
#: The number of the question; those of the rules that the packet meets, in their order.
Answer = tuple[int, list[int]]


@dataclass(frozen=True, slots=True)
class Action:
    """What a rule does to the packets for which its predicate is true."""

    drop: bool = False
    #: Seconds.
    delay: float = 0.0
    duplicate: bool = False
    hold: bool = False
    corrupt: bool = False

    @property
    def stops(self) -> bool:
        """Whether such a packet does not go on, so that no further rule sees it."""
        return self.drop or self.hold

    def described(self) -> str:
        """Return what it does, such as ``delay 0.05, duplicate``."""
        named = [(each.name, getattr(self, each.name)) for each in fields(self)]
        return ", ".join(
            name if value is True else f"{name} {value:g}" for name, value in named if value
        )


@dataclass(slots=True)
class RuleFilter(HoldFilter):
    """Does what a rule says to the packets that meet it; it is shown no others."""

    action: Action = field(default_factory=Action)
    draws: Draws = field(default_factory=lambda: Draws(0))

    def pass_on(self, packet: Packet, pair: Pair, now: float) -> list[Sending]:
        action, counts = self.action, self.counts
        counts.hits += 1
        if action.drop:
            counts.dropped += 1
            return []
        if action.hold:
            counts.held += 1
            self.held.append((packet, pair))
            return []
        frame = packet.frame
        counts.delayed += action.delay > 0
        if action.corrupt:
            counts.corrupted += 1
            frame = flipped(packet, self.draws.of(*pair, packet.protocol).random())
        counts.duplicated += action.duplicate
        return [Sending(now + action.delay, frame)] * (2 if action.duplicate else 1)


class Questions:
    """Stand behind all other faults; each packet of a program waits for its answer, in order."""

    def __init__(self, filters: Filters) -> None:
        self._filters = filters
        #: Takes a question to the origin, and does not wait.
        self.ask: Callable[[Question], object] = lambda _: None
        #: Whether packets of programs have to be `put` here.
        self.open: bool = False
        self._rules = 0
        self._asked = self._answered = 0
        self._waiting: deque[tuple[Packet, Pair, float]] = deque()
        self._watches: list[tuple[int, Callable[[], object]]] = []

    @property
    def waiting(self) -> int:
        """How many packets wait for answers."""
        return len(self._waiting)

    def add(self, rule: RuleFilter) -> None:
        """Ask about each packet from now on."""
        self._filters.add(rule)
        self._rules += 1
        self.open = True

    def ended(self) -> None:
        """Note that a rule has been removed."""
        self._rules -= 1
        self._close()

    def put(self, packet: Packet, pair: Pair, at: float) -> None:
        """Keep a packet, which would go on at that time, until its answer has come."""
        self._waiting.append((packet, pair, at))
        self._asked += 1
        self.ask((self._asked, packet.frame, packet.src, packet.dst))

    def take(self, answers: Iterable[Answer], now: float) -> Iterator[tuple[Packet, Pair, float]]:
        """Take answers, which come in order of the questions; yield what goes on, where and when."""
        for number, met in answers:
            packet, pair, at = self._waiting.popleft()
            rules = [found for each in met if (found := self._filters.get(each)) is not None]
            for then, frame in through(rules, packet, pair, max(at, now)):
                yield packet.with_frame(frame), pair, then
            self._answered = number
        self._close()
        due = [call for number, call in self._watches if number <= self._answered]
        self._watches = [each for each in self._watches if each[0] > self._answered]
        for call in due:
            call()

    def when_answered(self, call: Callable[[], object]) -> None:
        """Call this when all that wait now have their answers."""
        if self._waiting:
            self._watches.append((self._asked, call))
        else:
            call()

    def _close(self) -> None:
        # What waits goes first: packets behind it wait too, though no rule is left.
        self.open = bool(self._rules or self._waiting)
