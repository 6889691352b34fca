"""What the state machine of choreography expects: of mailboxes, barriers and points."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple


class Message(NamedTuple):
    """One of those that were sent by one call, in the order of their numbers."""

    sending: str
    number: int


class Sending(NamedTuple):
    """Messages of one call, or of the test; all of a later wave come later."""

    ident: str
    count: int
    wave: int

    def messages(self) -> list[Message]:
        return [Message(self.ident, number) for number in range(self.count)]


class Mail:
    """The messages of one mailbox that nobody has taken."""

    def __init__(self) -> None:
        self.left: dict[Message, int] = {}  # and their waves
        self.closed = False

    def add(self, sending: Sending) -> None:
        self.left.update(dict.fromkeys(sending.messages(), sending.wave))

    def add_some(self, sending: Sending, arrived: Iterable[Message]) -> None:
        """Add what has arrived of a sender that has died: the first ones, without a gap."""
        numbers = sorted(each.number for each in arrived)
        assert numbers == list(range(len(numbers))), f"gaps in {sending}: {numbers}"
        self.add(sending._replace(count=len(numbers)))

    def take(self, messages: Sequence[Message]) -> None:
        """Let several be taken by different takers: none that came behind one that is left."""
        assert len(set(messages)) == len(messages), f"twice: {messages}"
        for each in messages:
            assert each in self.left, f"{each} is none of {self.left}"
        taken = {each: self.left.pop(each) for each in messages}
        for each, wave in taken.items():
            for other, before in self.left.items():
                same = other.sending == each.sending and other.number < each.number
                assert not (before < wave or same), f"{each} was taken before {other}"

    def take_in_order(self, messages: Sequence[Message]) -> None:
        """Let several be taken by one."""
        for each in messages:
            self.take([each])


class Party(NamedTuple):
    """Who has come to a barrier, by which call."""

    who: str  # a peer, or `TEST`
    process: bool  # in a child of that
    call: str


TEST = "the test"


@dataclass
class Meeting:
    """A barrier, as the documentation has it."""

    parties: int = 0
    came: list[Party] = field(default_factory=list)
    others: int = 0
    broken: bool = False

    def enter(self, party: Party, parties: int, living: set[str], lost: set[str]) -> str:
        """Return ``"open"``, ``"broken"``, or nothing if it waits."""
        if self.broken:
            return "broken"
        if not self.came:
            self.parties = parties
            self.others = max(0, parties - len(living | lost))
        self.came.append(party)
        if parties != self.parties:
            return self._break()
        if len(self.came) == parties:
            self.came = []
            return "open"
        return self._break() if self.too_few(living) else ""

    def ended(self, peer: str, living: set[str]) -> bool:
        """Return whether the end of a peer breaks it; `living` are the others."""
        if not self.came:
            return False
        if any(party.who == peer for party in self.came) or self.too_few(living):
            self._break()
        return self.broken

    def too_few(self, living: set[str]) -> bool:
        peers = {party.who for party in self.came if not (party.who == TEST or party.process)}
        surplus = len(self.came) - len(peers)
        more = len(living - peers) + max(0, self.others - surplus)
        return len(self.came) + more < self.parties

    def _break(self) -> str:
        self.broken = True
        return "broken"


@dataclass
class Place:
    """A point of a peer, in the present life of that."""

    what: str  # "hold" or "fail"
    at: str
    nth: int
    times: int
    only_even: bool
    required: bool
    #: Calls that have come there in this life.
    came: int = 0
    #: Whether one has been meant, in whichever life; in this one.
    reached: bool = False
    reached_here: bool = False
    #: Whether a death has hidden whether one was meant, in whichever life; in this one.
    perhaps: bool = False
    perhaps_here: bool = False

    def comes(self, value: int) -> bool:
        """Return whether the call with that value comes to it."""
        if self.only_even and value % 2:
            return False
        unlucky = value % 3 == 0
        return self.at == "entry" or (self.at == "raise") == unlucky

    def meant(self, count: int) -> int:
        """Note that so many calls have come; return how many of them are meant."""
        until = self.nth + (self.times if self.what == "fail" else 1)
        meant = range(self.came + 1, self.came + count + 1)
        self.came += count
        found = sum(self.nth <= each < until for each in meant)
        if found:
            self.reached = self.reached_here = True
        return found

    def race(self, count: int) -> None:
        """Note that so many calls were coming when the peer died: some have come, perhaps."""
        if self.came < self.nth <= self.came + count:
            self.perhaps = self.perhaps_here = True

    def begin_anew(self) -> None:
        self.came, self.reached_here, self.perhaps_here = 0, False, False
