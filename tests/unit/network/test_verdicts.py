"""What a way does to a packet, by its settings and draws."""

from __future__ import annotations

import random

import pytest
from network_frames import datagram, segment

from pytest_peer.network.switch.verdicts import Counts, Drawn, Draws, Settings, Way, flipped

NOW = 100.0
SEEDS = range(50)


def passed(settings, count=1, seed=0, packet=None, gap=0.0):
    """Return what goes on of each of some packets, and what was counted."""
    way, draw, counts = Way(Settings(**settings)), random.Random(seed), Counts()
    packet = packet or datagram()
    found = [
        way.pass_on(packet, NOW + gap * number, Drawn.by(draw), counts) for number in range(count)
    ]
    return found, counts


def times(settings, count, **options):
    found, _ = passed(settings, count, **options)
    return [sending.at for sendings in found for sending in sendings]


def test_without_settings_it_goes_on_at_once():
    packet = datagram()
    (sendings,), counts = passed({}, packet=packet)
    assert sendings == [(NOW, packet.frame)]
    assert counts == Counts()


@pytest.mark.parametrize(
    ("settings", "copies", "counted"),
    [
        ({"loss": 1}, 0, {"dropped": 1}),
        ({"duplicate": 1}, 2, {"duplicated": 1}),
        ({"corrupt": 1}, 1, {"corrupted": 1}),
        ({"reorder": 1}, 1, {"reordered": 1}),
        ({"delay": 0.5}, 1, {"delayed": 1}),
        ({"rate": 1e6}, 1, {"delayed": 1}),
        (
            {"duplicate": 1, "corrupt": 1, "delay": 1},
            2,
            {"duplicated": 1, "corrupted": 1, "delayed": 1},
        ),
        ({"loss": 1, "duplicate": 1, "delay": 1}, 0, {"dropped": 1}),
    ],
)
def test_copies_and_counts(settings, copies, counted):
    (sendings,), counts = passed(settings)
    assert len(sendings) == copies
    assert counts == Counts(**counted)


@pytest.mark.parametrize(
    ("setting", "count"),
    [
        ("loss", "dropped"),
        ("duplicate", "duplicated"),
        ("corrupt", "corrupted"),
        ("reorder", "reordered"),
    ],
)
def test_probability_is_that_of_each_packet(setting, count):
    # 1000 draws at 0.2: 200 are expected, and the deviation is 12.6; 5 of them are 63.
    _, counts = passed({setting: 0.2}, 1000)
    assert 137 < getattr(counts, count) < 263


@pytest.mark.parametrize("setting", ["loss", "duplicate", "corrupt", "reorder"])
def test_probability_of_zero_touches_nothing(setting):
    _, counts = passed({setting: 0.0}, 1000)
    assert counts == Counts()


def test_delay_is_added():
    assert times({"delay": 0.5}, 3, gap=1) == [NOW + 0.5, NOW + 1.5, NOW + 2.5]


def test_jitter_is_within_its_bounds_on_both_sides():
    found = [times({"delay": 0.5, "jitter": 0.1}, 1, seed=seed)[0] - NOW for seed in SEEDS]
    assert all(0.4 <= each <= 0.6 for each in found)
    # Of 50 uniform draws none is in an outer quarter with a probability of 0.75**50 < 1e-6.
    assert min(found) < 0.45 < 0.55 < max(found)


def test_jitter_beyond_the_delay_is_no_journey_in_time():
    assert all(times({"delay": 0.1, "jitter": 5}, 1, seed=seed)[0] >= NOW for seed in SEEDS)


def test_jitter_alone_keeps_the_order():
    found = times({"delay": 1, "jitter": 1}, 200, gap=0.001)
    assert found == sorted(found)


def test_change_of_a_delay_keeps_the_order():
    way, draw, counts = Way(Settings(delay=1)), random.Random(0), Counts()
    (first,) = way.pass_on(datagram(), NOW, Drawn.by(draw), counts)
    way.settings = Settings()
    (second,) = way.pass_on(datagram(), NOW, Drawn.by(draw), counts)
    assert second.at >= first.at


@pytest.mark.parametrize("reorder", [0.5, 1])
def test_late_packets_are_overtaken(reorder):
    found = times({"reorder": reorder}, 20)
    assert found != sorted(found)
    assert (NOW in found) is (reorder < 1)


def test_rate_lets_one_after_the_other_go():
    packet = datagram(bytes(958))  # 1000 bytes with their headers: 1 ms at 8 Mbit/s
    assert len(packet.frame) == 1000
    found = times({"rate": 8e6}, 3, packet=packet)
    assert found == pytest.approx([NOW + 0.001, NOW + 0.002, NOW + 0.003])


def test_rate_that_was_not_used_is_not_saved_up():
    packet = datagram(bytes(958))
    found = times({"rate": 8e6}, 2, packet=packet, gap=1)
    assert found == pytest.approx([NOW + 0.001, NOW + 1.001])


def test_delay_comes_behind_the_rate():
    packet = datagram(bytes(958))
    found = times({"rate": 8e6, "delay": 1}, 2, packet=packet)
    assert found == pytest.approx([NOW + 1.001, NOW + 1.002])


def test_change_of_one_setting_leaves_the_draws_of_others():
    def lost(settings):
        found, _ = passed(settings, 200, seed=3)
        return [not sendings for sendings in found]

    assert lost({"loss": 0.3}) == lost(
        {"loss": 0.3, "duplicate": 0.5, "corrupt": 0.5, "reorder": 0.5, "jitter": 1}
    )


@pytest.mark.parametrize(
    "packet", [datagram(b"text"), segment(b"text"), datagram(b""), segment(b"")]
)
def test_one_bit_is_flipped(packet):
    for seed in SEEDS:
        changed = flipped(packet, random.Random(seed).random())
        wrong = [a ^ b for a, b in zip(packet.frame, changed, strict=True)]
        assert sum(each.bit_count() for each in wrong) == 1


@pytest.mark.parametrize("draw", [0.0, 0.5, 1 - 2**-53])
def test_bit_is_one_of_the_payload(draw):
    packet = datagram(b"text")
    changed = flipped(packet, draw)
    assert changed[:-4] == packet.frame[:-4]
    assert changed[-4:] != b"text"


def test_draws_repeat_with_their_seed():
    assert Draws(7).of(1, 2, 17).random() == Draws(7).of(1, 2, 17).random()


@pytest.mark.parametrize(
    ("seed", "key"), [(8, (1, 2, 17)), (7, (2, 1, 17)), (7, (1, 3, 17)), (7, (1, 2, 6))]
)
def test_draws_differ_by_seed_way_and_protocol(seed, key):
    assert Draws(seed).of(*key).random() != Draws(7).of(1, 2, 17).random()


def test_draws_of_one_way_are_one_sequence():
    draws = Draws(7)
    assert draws.of(1, 2, 17) is draws.of(1, 2, 17)


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({}, "no faults"),
        ({"delay": 0.05, "loss": 0.2}, "delay 0.05, loss 0.2"),
        ({"rate": 1e6}, "rate 1e+06"),
    ],
)
def test_settings_are_described(settings, text):
    assert Settings(**settings).described() == text


@pytest.mark.parametrize(
    ("settings", "others", "names"),
    [
        ({}, {}, []),
        ({"loss": 0.1, "delay": 1, "rate": 0}, {}, ["delay", "loss"]),
        ({"loss": 0.1, "delay": 1}, {"loss": 0.2, "rate": 1, "delay": 1}, ["loss", "rate"]),
    ],
)
def test_names_of_settings_that_differ(settings, others, names):
    assert Settings(**settings).changed(Settings(**others)) == names


@pytest.mark.parametrize("before", [{"delay": 20}, {"rate": 10}, {"jitter": 20}])
@pytest.mark.parametrize("after", [{}, {"delay": 1}])
def test_change_leaves_no_wait_behind_what_was_delayed(before, after):
    way, draw = Way(Settings(**before)), Drawn(*([0.9] * 7))
    way.pass_on(datagram(), NOW, draw, Counts())
    way.change(Settings(**after))
    (sending,) = way.pass_on(datagram(), NOW, draw, Counts())
    assert sending.at == NOW + after.get("delay", 0)


def test_change_of_a_loss_keeps_the_order():
    way, draw = Way(Settings(delay=5, jitter=5)), random.Random(3)
    sent = []
    for number in range(50):
        way.change(Settings(delay=5, jitter=5, loss=number / 1000))
        sent += way.pass_on(datagram(), NOW + number / 10, Drawn.by(draw), Counts())
    assert sent == sorted(sent)
