"""Settings of a link by who has made them."""

from __future__ import annotations

from pytest_peer.network.switch.changes import Changes
from pytest_peer.network.switch.verdicts import Counts, Settings


def changes(*made):
    every = Changes()
    for number, given in made:
        every.set(number, given)
    return every


def test_last_value_of_a_setting_holds():
    every = changes((1, {"loss": 0.1, "delay": 1}), (2, {"loss": 0.2}))
    assert every.settings == Settings(loss=0.2, delay=1)
    every.set(1, {"loss": 0.3})
    assert every.settings == Settings(loss=0.3, delay=1)


def test_undoing_one_leaves_the_other():
    every = changes((1, {"loss": 0.1, "delay": 1}), (2, {"loss": 0.2, "rate": 5}))
    every.undo(2)
    assert every.settings == Settings(loss=0.1, delay=1)
    every.undo(1)
    assert every.settings == Settings()


def test_part_is_undone_alone():
    every = changes((1, {"loss": 0.1}), (1, {"loss": 0.2, "delay": 1}))
    every.part(1, 2, {"loss": 0.1, "delay": None})
    assert every.settings == Settings(loss=0.2, delay=1)
    every.undo(2)
    assert every.settings == Settings(loss=0.1)


def test_packet_counts_for_who_has_set_what_it_met():
    every = changes((1, {"delay": 1}), (2, {"loss": 0.2, "duplicate": 0}), (3, {"jitter": 1}))
    every.count(Counts(hits=1, delayed=1, duplicated=1))
    assert every.counts == {
        1: Counts(hits=1, delayed=1),
        2: Counts(),
        3: Counts(hits=1, delayed=1),
    }


def test_untouched_packet_counts_for_nobody():
    every = changes((1, {"delay": 1}))
    every.count(Counts())
    assert every.counts == {1: Counts()}
