"""The rules of barriers, without peers."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from pytest_peer.peers.choreography.barrier import Barrier, Party

TEST = Party("")


def party(name: str, process: int = 0) -> Party:
    return Party(name, process)


def test_it_opens_for_all_when_the_last_one_comes() -> None:
    barrier = Barrier("b")
    assert barrier.enter(1, party("a"), 3, "abc") == []
    assert barrier.enter(2, party("b"), 3, "abc") == []
    assert barrier.enter(3, party("c"), 3, "abc") == [1, 2, 3]
    assert not barrier.why


def test_it_begins_anew_when_it_has_opened() -> None:
    barrier = Barrier("b")
    for first in (1, 3, 5):
        assert barrier.enter(first, party("a"), 2, "ab") == []
        assert barrier.enter(first + 1, party("b"), 2, "ab") == [first, first + 1]


def test_a_round_may_have_another_number_of_parties() -> None:
    barrier = Barrier("b")
    assert barrier.enter(1, party("a"), 1, "ab") == [1]
    assert barrier.enter(2, party("a"), 2, "ab") == []
    assert barrier.enter(3, party("b"), 2, "ab") == [2, 3]


def test_different_numbers_in_a_round_break_it_for_all() -> None:
    barrier = Barrier("b")
    barrier.enter(1, party("a"), 3, "abc")
    assert barrier.enter(2, party("b"), 2, "abc") == [1, 2]
    assert barrier.why == "b came for 2 parties, a for 3"


def test_end_of_one_who_had_come_breaks_it() -> None:
    barrier = Barrier("b")
    barrier.enter(1, party("a"), 2, "abc")
    assert barrier.ended("a", "killed by SIGKILL", "bc") == [1]
    assert barrier.why == "a had come and ended: killed by SIGKILL"


def test_end_of_a_peer_breaks_it_when_too_few_are_left() -> None:
    barrier = Barrier("b")
    barrier.enter(1, party("a"), 2, "abc")
    assert barrier.ended("b", "stopped", "ac") == []
    assert barrier.ended("c", "stopped", "a") == [1]
    assert barrier.why == "too few are left: c ended: stopped"


def test_death_before_the_first_comes_is_not_forgotten() -> None:
    barrier = Barrier("b")
    assert barrier.enter(1, party("a"), 3, "ab", lost="c") == [1]
    assert barrier.why == "too few are left, c had ended"


def test_more_parties_than_peers_are_the_test_or_processes() -> None:
    barrier = Barrier("b")
    barrier.enter(1, party("a"), 4, "ab")
    barrier.enter(2, party("a", 77), 4, "ab")
    barrier.enter(3, TEST, 4, "ab")
    assert barrier.ended("b", "stopped", "a") == [1, 2, 3]


def test_test_that_has_come_takes_the_place_of_a_peer() -> None:
    barrier = Barrier("b")
    barrier.enter(1, TEST, 3, "abc")
    barrier.enter(2, party("a"), 3, "abc")
    assert barrier.ended("c", "stopped", "ab") == []
    assert barrier.ended("b", "stopped", "a") == [1, 2]


def test_threads_of_a_peer_take_the_places_of_others() -> None:
    barrier = Barrier("b")
    barrier.enter(1, party("a"), 3, "ab")
    barrier.enter(2, party("a"), 3, "ab")
    assert barrier.ended("b", "stopped", "a") == [1, 2]


def test_peer_that_only_helps_does_not_matter() -> None:
    barrier = Barrier("b")
    barrier.enter(1, party("a"), 2, "a")  # with the test
    assert barrier.ended("helper", "stopped", "a") == []
    assert barrier.enter(2, TEST, 2, "a") == [1, 2]


def test_process_of_a_peer_does_not_count_for_the_peer() -> None:
    barrier = Barrier("b")
    barrier.enter(1, party("a", 77), 3, "abc")
    assert barrier.ended("b", "stopped", "ac") == []  # a itself and c may come
    assert barrier.ended("c", "stopped", "a") == [1]


def test_one_who_waits_no_longer_breaks_it() -> None:
    barrier = Barrier("b")
    barrier.enter(1, party("a"), 3, "abc")
    barrier.enter(2, party("b", 77), 3, "abc")
    assert barrier.leave(2, "waited for 5 s") == [1, 2]
    assert barrier.why == "b (process 77) waited for 5 s"


def test_broken_one_stays_broken_for_who_comes_later() -> None:
    barrier = Barrier("b")
    barrier.enter(1, party("a"), 2, "ab")
    barrier.leave(1, "has given up")
    assert barrier.enter(2, party("b"), 2, "ab") == [2]
    assert barrier.ended("b", "stopped", "a") == []
    assert barrier.leave(2, "has given up") == []
    assert barrier.why == "a has given up"


def test_end_of_a_peer_does_not_matter_where_nobody_waits() -> None:
    barrier = Barrier("b")
    assert barrier.ended("a", "stopped", "b") == []
    assert not barrier.why


def test_it_knows_from_whom_nobody_has_come() -> None:
    barrier = Barrier("b")
    barrier.enter(1, party("a"), 3, "abc")
    barrier.enter(2, TEST, 3, "abc")
    assert barrier.missing(["a", "b", "c"]) == ["b", "c"]


PEERS = "abcd"


class Rounds(RuleBasedStateMachine):
    """Peers come, go and end in any order; a second account of it says who is to be let go."""

    def __init__(self) -> None:
        super().__init__()
        self.barrier = Barrier("b")
        self.living = set(PEERS)
        self.waiting: dict[int, str] = {}
        self.parties = 0
        self.token = 0

    def let_go(self, tokens: list[int], expected: bool) -> None:
        assert sorted(tokens) == (sorted(self.waiting) if expected else [])
        if expected:
            self.waiting.clear()

    @precondition(lambda self: not self.barrier.why)
    @rule(peer=st.sampled_from(PEERS), parties=st.sampled_from([2, 3, 4, 4, 4]))
    def come(self, peer: str, parties: int) -> None:
        if peer not in self.living or peer in self.waiting.values():
            return
        self.token += 1
        if not self.waiting:
            self.parties = parties
        self.waiting[self.token] = peer
        tokens = self.barrier.enter(self.token, Party(peer), parties, sorted(self.living))
        differs = parties != self.parties
        full = len(self.waiting) == parties
        assert bool(self.barrier.why) == differs
        self.let_go(tokens, differs or full)

    @rule(peer=st.sampled_from(PEERS))
    def end(self, peer: str) -> None:
        if peer not in self.living:
            return
        self.living.discard(peer)
        before = self.barrier.why
        enough = self.parties <= len(self.living) + self.others()
        breaks = not before and bool(self.waiting) and (peer in self.waiting.values() or not enough)
        tokens = self.barrier.ended(peer, "stopped", sorted(self.living))
        assert bool(self.barrier.why) == (bool(before) or breaks)
        self.let_go(tokens, breaks)

    def others(self) -> int:
        return max(0, self.parties - self.at_first) if self.waiting else 0

    @precondition(lambda self: bool(self.waiting))
    @rule(data=st.data())
    def give_up(self, data: st.DataObject) -> None:
        token = data.draw(st.sampled_from(sorted(self.waiting)))
        self.let_go(self.barrier.leave(token, "has given up"), True)
        assert self.barrier.why

    @rule()
    def come_late(self) -> None:
        if self.barrier.why:
            self.token += 1
            assert self.barrier.enter(self.token, Party("a"), 2, "ab") == [self.token]

    at_first = len(PEERS)

    @invariant()
    def nobody_waits_at_a_broken_one(self) -> None:
        if self.barrier.why:
            assert not self.waiting
        if not self.waiting:
            self.at_first = len(self.living)


TestRounds = Rounds.TestCase


def test_parties_come_without_a_look_at_who_is_left() -> None:
    barrier = Barrier("b")
    assert barrier.enter(1, party("a"), 3, "abc") == []
    assert barrier.enter(2, party("b"), 3) == []
    assert barrier.ended("c", "killed", "ab") == [1, 2]
    assert barrier.why == "too few are left: c ended: killed"
