"""Packets that wait for the origin's answers about rules."""

from __future__ import annotations

import pytest
from network_frames import datagram

from pytest_peer.network.switch.filters import Filters
from pytest_peer.network.switch.questions import Action, Questions, RuleFilter

NOW, AB = 100.0, (1, 2)


class Asked(Questions):
    """Questions that are kept."""

    def __init__(self):
        super().__init__(Filters())
        self.filters = self._filters
        self.asked = []
        self.ask = self.asked.append

    def rule(self, number, **action):
        made = RuleFilter(number, frozenset(), action=Action(**action))
        self.add(made)
        return made

    def put_all(self, *payloads):
        for each in payloads:
            self.put(datagram(each), AB, NOW)

    def taken(self, *answers, now=NOW):
        return list(self.take(answers, now))


@pytest.mark.parametrize(
    ("action", "copies", "counted"),
    [
        ({"drop": True}, 0, "dropped"),
        ({"hold": True}, 0, "held"),
        ({"duplicate": True}, 2, "duplicated"),
        ({"corrupt": True}, 1, "corrupted"),
        ({"delay": 1.0}, 1, "delayed"),
    ],
)
def test_action_is_done_to_what_meets_the_rule(action, copies, counted):
    questions = Asked()
    rule = questions.rule(7, **action)
    questions.put_all(b"text")
    assert len(questions.taken((1, [7]))) == copies
    assert (rule.counts.hits, getattr(rule.counts, counted)) == (1, 1)


def test_what_meets_no_rule_goes_on():
    questions = Asked()
    rule = questions.rule(7, drop=True)
    questions.put_all(b"text")
    ((packet, pair, at),) = questions.taken((1, []))
    assert (at, packet.frame, pair) == (NOW, datagram(b"text").frame, AB)
    assert rule.counts.hits == 0


def test_question_has_frame_and_hosts():
    questions = Asked()
    questions.rule(7, drop=True)
    questions.put_all(b"1", b"2")
    assert questions.asked == [
        (1, datagram(b"1").frame, "a", "b"),
        (2, datagram(b"2").frame, "a", "b"),
    ]


def test_delay_counts_from_when_it_would_go_on():
    questions = Asked()
    questions.rule(7, delay=1.0)
    questions.put(datagram(), AB, NOW + 5)
    questions.put(datagram(), AB, NOW)
    found = questions.taken((1, [7]), (2, [7]), now=NOW + 2)
    assert [at for _, _, at in found] == [NOW + 6, NOW + 3]


def test_delay_of_a_link_is_kept_behind_a_rule():
    questions = Asked()
    questions.rule(7, drop=True)
    questions.put(datagram(), AB, NOW + 5)
    ((_, _, at),) = questions.taken((1, []), now=NOW + 2)
    assert at == NOW + 5


def test_rule_that_has_ended_meanwhile_is_not_met():
    questions = Asked()
    questions.rule(7, drop=True)
    questions.put_all(b"text")
    questions.filters.remove(7)
    questions.ended()
    assert questions.open  # what waits goes first
    assert len(questions.taken((1, [7]))) == 1
    assert not questions.open


def test_it_is_open_while_there_is_a_rule():
    questions = Asked()
    assert not questions.open
    for number in (1, 2):
        questions.rule(number, drop=True)
    questions.ended()
    assert questions.open
    questions.ended()
    assert not questions.open


def test_watch_is_called_when_earlier_ones_have_answers():
    questions, called = Asked(), []
    questions.rule(7, drop=True)
    questions.put_all(b"1", b"2")
    questions.when_answered(lambda: called.append(True))
    questions.put_all(b"3")
    questions.taken((1, []))
    assert not called
    questions.taken((2, []))
    assert called
    questions.taken((3, []))
    assert len(called) == 1


def test_watch_is_called_at_once_if_nothing_waits():
    called = []
    Asked().when_answered(lambda: called.append(True))
    assert called


@pytest.mark.parametrize(
    ("action", "stops", "text"),
    [
        (Action(drop=True), True, "drop"),
        (Action(hold=True), True, "hold"),
        (Action(delay=0.05, duplicate=True), False, "delay 0.05, duplicate"),
        (Action(corrupt=True), False, "corrupt"),
    ],
)
def test_action_is_described(action, stops, text):
    assert (action.stops, action.described()) == (stops, text)
