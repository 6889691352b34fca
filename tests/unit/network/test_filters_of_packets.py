"""What stands in the way of packets, alone and one behind the other."""

from __future__ import annotations

import pytest
from network_frames import datagram, ip4, segment

from pytest_peer.network.switch import filters
from pytest_peer.network.switch.filters import CutFilter, Filters, HoldFilter, LinkFilter
from pytest_peer.network.switch.packets import CANARY, Packet
from pytest_peer.network.switch.questions import RuleFilter
from pytest_peer.network.switch.verdicts import Counts, Draws, Sending, Settings

NOW, AB, BA = 100.0, (1, 2), (2, 1)
IGMP = Packet(ip4(2, bytes(8)), "a", "b")


def link(number=1, ways=(AB,), seed=0, **settings):
    return LinkFilter(number, frozenset(ways), settings=Settings(**settings), draws=Draws(seed))


def cut(number=1, ways=(AB,)):
    return CutFilter(number, frozenset(ways))


def hold(number=1, ways=(AB,)):
    return HoldFilter(number, frozenset(ways))


def behind(*made, packet=None, pair=AB):
    """Return what goes on behind these, with their counts."""
    every = Filters()
    for each in made:
        every.add(each)
    return every.pass_on(packet or datagram(), pair, NOW)


@pytest.mark.parametrize(
    ("sources", "targets", "ways"),
    [
        ([1], [2], {(1, 2)}),
        ([1, 2], [3], {(1, 3), (2, 3)}),
        ([1, 2], [1, 2], {(1, 2), (2, 1)}),
        ([1], [1], set()),
        ([], [1], set()),
    ],
)
def test_ways_lead_from_each_to_each_other(sources, targets, ways):
    assert filters.pairs(iter(sources), iter(targets)) == ways


def test_cut_drops_and_counts():
    made = cut()
    assert behind(made) == []
    assert (made.counts.hits, made.counts.dropped) == (1, 1)


def test_other_ways_pass():
    packet = datagram()
    assert behind(cut(), packet=packet, pair=BA) == [(NOW, packet.frame)]


def canary(probed="none"):
    return datagram(CANARY + probed.encode() + b" 1")


@pytest.mark.parametrize("make", [cut, hold])
def test_canary_is_stopped_and_not_counted(make):
    made = make()
    assert behind(made, packet=canary()) == []
    assert made.counts.hits == made.counts.held == 0


def test_canary_that_is_held_is_not_of_a_program():
    made = hold()
    behind(made, packet=canary())
    assert (len(made.held), made.of_programs()) == (1, [])


@pytest.mark.parametrize("make", [cut, hold, lambda number: link(number, loss=1)])
def test_damaged_canary_is_none_of_a_program(make):
    second = make(2)
    behind(link(1, corrupt=1), second, packet=canary("corrupt"))
    assert second.counts == Counts()


EVERYTHING = {"delay": 1, "jitter": 2, "loss": 1e-9, "duplicate": 1e-9, "corrupt": 1e-9}


@pytest.mark.parametrize(
    ("probed", "copies", "after"),
    [
        ("none", 1, 0),
        ("rate", 1, 0),
        ("no setting", 1, 0),
        ("delay", 1, 1),
        ("jitter", 1, 2),
        ("loss", 0, 0),
        ("duplicate", 2, 0),
        ("all", 0, 0),
    ],
)
def test_canary_meets_what_it_probes_on_a_link(probed, copies, after):
    packet, made = canary(probed), link(**EVERYTHING)
    assert behind(made, packet=packet) == [(NOW + after, packet.frame)] * copies
    assert made.counts == Counts()


def test_canary_that_probes_corruption_is_corrupted():
    packet = canary("corrupt")
    ((_, frame),) = behind(link(**EVERYTHING), packet=packet)
    assert frame != packet.frame


@pytest.mark.parametrize("make", [cut, hold, lambda: link(loss=1, delay=1)])
def test_chatter_of_kernels_is_not_counted(make):
    made = make()
    behind(made, packet=IGMP)
    assert made.counts.hits == 0


def lost(packets, seed=0, pair=AB):
    """Return which datagrams among some packets are lost on a link that loses half of them."""
    made = link(ways=(AB, BA), seed=seed, loss=0.5)
    passed = [(each.udp and not each.canary, made.pass_on(each, pair, NOW)) for each in packets]
    return [not sendings for counts, sendings in passed if counts]


def datagrams():
    return [datagram() for _ in range(50)]


def test_losses_repeat_with_the_seed():
    assert lost(datagrams(), seed=7) == lost(datagrams(), seed=7)
    assert lost(datagrams(), seed=7) != lost(datagrams(), seed=8)


def test_each_direction_has_its_own_draws():
    assert lost(datagrams(), pair=AB) != lost(datagrams(), pair=BA)


@pytest.mark.parametrize("other", [IGMP, datagram(CANARY + b"all 1"), segment()])
def test_draws_are_of_datagrams_of_programs(other):
    mixed = [each for packet in datagrams() for each in (other, packet)]
    assert lost(mixed) == lost(datagrams())


def test_link_counts_a_packet_once():
    made = link(duplicate=1, delay=1, corrupt=1)
    assert len(behind(made)) == 2
    counts = made.counts
    assert (counts.hits, counts.duplicated, counts.delayed, counts.corrupted) == (1, 1, 1, 1)


def test_link_that_does_nothing_has_no_hits():
    made = link(loss=0.5, seed=0)
    passed = sum(bool(made.pass_on(datagram(), AB, NOW)) for _ in range(50))
    assert made.counts.hits == 50 - passed > 0


def test_change_of_settings_is_for_ways_in_use():
    made = link(delay=1)
    made.pass_on(datagram(), AB, NOW)
    made.settings = Settings(loss=1)
    assert made.pass_on(datagram(), AB, NOW) == []


def test_change_ends_the_wait_of_what_comes():
    made = link(delay=20)
    made.pass_on(datagram(), AB, NOW)
    made.settings = Settings()
    assert [sending.at for sending in made.pass_on(datagram(), AB, NOW)] == [NOW]


def test_hold_keeps_packets_in_order():
    made, packets = hold(), [datagram(text) for text in (b"1", b"2")]
    every = Filters()
    every.add(made)
    for each in packets:
        assert every.pass_on(each, AB, NOW) == []
    assert [(packet.payload, pair) for packet, pair in made.held] == [(b"1", AB), (b"2", AB)]
    assert (made.counts.hits, made.counts.held) == (2, 2)


def test_delays_add_up():
    (sending,) = behind(link(1, delay=1), link(2, delay=2))
    assert sending.at == NOW + 3


def test_copies_meet_what_comes_behind():
    made = link(2, duplicate=1)
    assert len(behind(link(1, duplicate=1), made)) == 4
    assert made.counts.hits == 2


def test_dropped_packet_meets_no_more():
    second = cut(2)
    behind(cut(1), second)
    assert second.counts.hits == 0


@pytest.mark.parametrize(("first", "seen"), [(False, 0), (True, 1)])
def test_filter_can_be_put_before_the_others(first, seen):
    every, added = Filters(), cut(2)
    every.add(cut(1))
    every.add(added, first)
    every.pass_on(datagram(), AB, NOW)
    assert added.counts.hits == seen


def test_packet_that_is_let_go_meets_what_is_behind_its_hold():
    every, made = Filters(), [cut(1), hold(2), hold(3), cut(4)]
    for each in made:
        every.add(each)
    assert every.behind(made[1], AB, -1) == made[2:]
    assert every.behind(made[3], AB, -1) == []


@pytest.mark.parametrize("passed", range(4))
def test_packet_that_a_rule_lets_go_meets_what_was_made_since(passed):
    every, made = Filters(), [cut(1), hold(2), link(3)]
    for each in made:
        every.add(each)
    assert every.behind(RuleFilter(4, frozenset()), AB, passed) == made[passed:]


def test_packet_that_has_waited_meets_what_has_closed_its_way():
    every, made = Filters(), [cut(1), link(2), hold(3), cut(4)]
    for each in made:
        every.add(each)
    assert every.closed_since(AB, 1) == made[2:]
    assert every.closed_since(BA, 1) == []


def test_way_is_open_when_the_last_is_removed():
    every, packet = Filters(), datagram()
    for number in (1, 2):
        every.add(cut(number, (AB, BA)))
    every.remove(1)
    assert every.pass_on(packet, AB, NOW) == []
    every.remove(2)
    assert every.pass_on(packet, AB, NOW) == [Sending(NOW, packet.frame)]
    assert (every.between(AB), every.between(BA), bool(every)) == (None, None, False)


def test_removed_one_is_returned_once():
    every, made = Filters(), cut(3)
    every.add(made)
    assert every.get(3) is made
    assert every.all() == [made]
    assert every.remove(3) is made
    assert every.remove(3) is None
    assert every.get(3) is None


def test_equal_filters_are_told_apart():
    every = Filters()
    for number in (1, 2):
        every.add(cut(number))
    every.remove(2)
    (left,) = every.between(AB)
    assert left.number == 1
