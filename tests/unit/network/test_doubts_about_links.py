"""What canaries on a link have to show."""

from __future__ import annotations

import pytest

from pytest_peer.network.holder.proofs import Seen, doubt
from pytest_peer.network.switch.verdicts import Settings

SIZE = 100
STOPPED, AT_ONCE, TWICE = Seen(SIZE), Seen(SIZE, 1, 0.0001), Seen(SIZE, 2, 0.0001)
LOST = Seen(SIZE, error="has not come")


@pytest.mark.parametrize(
    ("settings", "seen", "text"),
    [
        ({"loss": 0.1}, STOPPED, ""),
        ({"loss": 0.1}, AT_ONCE, "arrived"),
        ({"corrupt": 0.1}, STOPPED, ""),
        ({"corrupt": 0.1}, AT_ONCE, "arrived"),
        ({"duplicate": 0.1}, TWICE, ""),
        ({"duplicate": 0.1}, AT_ONCE, "arrived"),
        ({"duplicate": 0.1}, STOPPED, "stopped"),
        ({"delay": 0.1}, STOPPED, ""),
        ({"delay": 0.1}, Seen(SIZE, 1, 0.1), ""),
        ({"delay": 0.1}, AT_ONCE, "arrived after 0.000100 s"),
        ({"delay": 1e-9}, AT_ONCE, ""),
        ({"jitter": 0.1}, STOPPED, ""),
        ({"jitter": 0.1}, AT_ONCE, "arrived after 0.000100 s"),
        ({"reorder": 0.1}, STOPPED, ""),
        ({"reorder": 0.1}, AT_ONCE, "arrived after 0.000100 s"),
        ({"rate": 1e6}, Seen(SIZE, 1, 0.0008), ""),  # 800 bits
        ({"rate": 1e6}, AT_ONCE, "arrived after 0.000100 s"),
        ({"rate": 1e9}, AT_ONCE, ""),
        ({"loss": 0.1}, LOST, "has not come"),
    ],
)
def test_what_a_canary_shows_of_a_setting(settings, seen, text):
    (name,) = settings
    assert doubt(name, Settings(**settings), seen, closed=False) == text


@pytest.mark.parametrize("name", ["loss", "duplicate", "corrupt", "delay", "jitter", "rate"])
def test_way_that_is_cut_shows_nothing(name):
    assert doubt(name, Settings(**{name: 0.1}), STOPPED, closed=True) == ""


@pytest.mark.parametrize("name", ["loss", "duplicate", "corrupt", "delay", "jitter", "rate"])
@pytest.mark.parametrize(
    ("seen", "text"), [(AT_ONCE, ""), (TWICE, "arrived 2 times"), (STOPPED, "stopped")]
)
def test_packets_pass_once_where_a_setting_is_0(name, seen, text):
    assert doubt(name, Settings(), seen, closed=False) == text
    assert doubt(name, Settings(), seen, closed=True) == ""


@pytest.mark.parametrize(
    ("seen", "text"),
    [
        (STOPPED, "stopped"),
        (AT_ONCE, "arrived"),
        (TWICE, "arrived 2 times"),
        (LOST, "has not come"),
    ],
)
def test_canary_is_described(seen, text):
    assert str(seen) == text
