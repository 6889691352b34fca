"""A packet that waits meets what closes its way meanwhile, and nothing that it has met."""

from __future__ import annotations

import os
import socket

import pytest
from network_frames import datagram

from pytest_peer.network.addresses import Host
from pytest_peer.network.switch import switch as module
from pytest_peer.network.switch.filters import CutFilter, HoldFilter, LinkFilter
from pytest_peer.network.switch.questions import Action, RuleFilter
from pytest_peer.network.switch.switch import Switch
from pytest_peer.network.switch.verdicts import Settings

AB = (1, 2)
A, B = Host("a", 1), Host("b", 2, segment=1)


class Wire:
    """Two hosts in segments that are joined, at a clock that the test moves."""

    def __init__(self, monkeypatch):
        self.now = 100.0
        monkeypatch.setattr(module, "monotonic", lambda: self.now)
        self._pairs = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in "ab"]
        for _, outer in self._pairs:
            outer.setblocking(False)
        self.switch = Switch()
        self.switch.plug(dict(zip((A, B), (outer for _, outer in self._pairs), strict=True)))
        self.join()

    def join(self, **settings):
        self.switch.run(self.switch.joints.join, (0, 1), Settings(**settings), 0)

    def add(self, made):
        self.switch.run(self.switch.filters.add, made)
        return made

    def rule(self, number, **action):
        made = RuleFilter(number, frozenset(), action=Action(**action))
        self.switch.run(self.switch.questions.add, made)
        return made

    def answer(self, number, *met):
        self.switch.run(self.switch.answered, [(number, list(met))])

    def let_go(self, kept):
        held, kept.held = kept.held, []
        self.switch.run(self.switch.let_go, kept, held)

    def send(self):
        self._pairs[0][0].send(datagram(destination=B.address).frame)
        self.switch.run(int)

    def pass_time(self):
        self.now += 10
        for _ in range(2):  # the first may be done in the same turn
            self.switch.run(int)

    @property
    def arrived(self):
        """How many packets have arrived since this was asked last."""
        self.switch.run(int)
        sock, count = self._pairs[1][0], 0
        sock.setblocking(False)
        while True:
            try:
                sock.recv(2000)
            except BlockingIOError:
                return count
            count += 1

    def close(self):
        self.switch.close()
        self.switch._poll.close()
        os.close(self.switch._wake)
        for pair in self._pairs:
            for sock in pair:
                sock.close()


@pytest.fixture
def wire(monkeypatch):
    made = Wire(monkeypatch)
    yield made
    made.close()


def link(number=1, **settings):
    return LinkFilter(number, frozenset((AB,)), settings=Settings(**settings))


def cut(number=2):
    return CutFilter(number, frozenset((AB,)))


def hold(number=2):
    return HoldFilter(number, frozenset((AB,)))


def delay_by_link(wire):
    wire.add(link(delay=5))


def delay_by_wan(wire):
    wire.join(delay=5)


WAYS = pytest.mark.parametrize("delay", [delay_by_link, delay_by_wan])


@WAYS
def test_cut_made_meanwhile_drops_a_delayed_packet(wire, delay):
    delay(wire)
    wire.send()
    made = wire.add(cut())
    wire.pass_time()
    assert (wire.arrived, made.counts.hits, made.counts.dropped) == (0, 1, 1)


@WAYS
def test_hold_made_meanwhile_keeps_a_delayed_packet(wire, delay):
    delay(wire)
    wire.send()
    made = wire.add(hold())
    wire.pass_time()
    assert (wire.arrived, made.counts.held) == (0, 1)
    wire.let_go(made)
    assert wire.arrived == 1


def test_cut_that_is_healed_before_leaves_a_delayed_packet(wire):
    delay_by_link(wire)
    wire.send()
    wire.add(cut())
    wire.switch.run(wire.switch.filters.remove, 2)
    wire.pass_time()
    assert wire.arrived == 1


def test_link_is_met_once_by_a_delayed_packet(wire):
    made = wire.add(link(delay=5, duplicate=1))
    wire.send()
    wire.switch.run(wire.switch.filters.remove, made.number)
    later = wire.add(link(3, delay=5, duplicate=1))
    wire.pass_time()
    assert (wire.arrived, made.counts.hits, later.counts.hits) == (2, 1, 0)


def test_hold_made_while_the_origin_is_asked_keeps_a_packet(wire):
    wire.rule(1, drop=True)
    wire.send()
    made = wire.add(hold())
    wire.answer(1)
    assert (wire.arrived, made.counts.held) == (0, 1)


def test_packet_held_after_its_answer_is_not_asked_about_again(wire):
    rule = wire.rule(1, duplicate=True)
    wire.send()
    made = wire.add(hold())
    wire.answer(1, 1)
    wire.let_go(made)
    assert (wire.arrived, rule.counts.hits) == (2, 1)


@pytest.mark.parametrize("make", [cut, hold, lambda: link(2, loss=1)])
def test_packet_that_a_rule_lets_go_meets_what_was_made_since(wire, make):
    rule = wire.rule(1, hold=True)
    wire.send()
    wire.answer(1, 1)
    made = wire.add(make())
    wire.let_go(rule)
    assert (wire.arrived, made.counts.hits) == (0, 1)


def test_packet_that_a_rule_lets_go_has_met_its_link(wire):
    rule, made = wire.rule(1, hold=True), wire.add(link(2, duplicate=1))
    wire.send()
    wire.answer(1, 1)
    wire.answer(2)
    wire.let_go(rule)
    assert (wire.arrived, made.counts.hits) == (2, 1)
