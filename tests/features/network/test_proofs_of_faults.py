"""A fault whose mechanism does nothing is an error, and so is a healing that does nothing."""

from __future__ import annotations

import re

import pytest
from network_calls import LONG, ask, start_server
from network_sabotage import sabotage

from pytest_peer import FaultNotEffective, eventually

SETTINGS = {
    "delay": 0.05,
    "jitter": 0.05,
    "loss": 0.01,
    "duplicate": 0.01,
    "corrupt": 0.01,
    "reorder": 0.01,
    "rate": 100,  # the canary takes some 6 seconds
}


def links(peer_network):
    a, b = peer_network.many(2, name="db")
    return peer_network.link(a, b)


def test_cut_without_effect(peer_network):
    a, b = peer_network.many(2, name="db")
    sabotage(peer_network, "let_pass", "CutFilter")
    with pytest.raises(
        FaultNotEffective, match=r"cut from db-0 to db-1 is without effect.*arrived"
    ):
        peer_network.cut(a, b)


def test_hold_without_effect(peer_network):
    a, b = peer_network.many(2, name="db")
    sabotage(peer_network, "let_pass", "HoldFilter")
    with pytest.raises(
        FaultNotEffective, match=r"hold from db-0 to db-1 is without effect.*arrived"
    ):
        peer_network.hold(a, b)


@pytest.mark.parametrize(("setting", "value"), SETTINGS.items())
def test_setting_without_effect(peer_network, setting, value):
    link = links(peer_network)
    sabotage(peer_network, "ignore", setting)
    told = re.escape(f"link from db-0 to db-1 is without effect: {setting} {value}: ")
    with pytest.raises(FaultNotEffective, match=told + "from db-0 to db-1 a packet arrived"):
        link.set(**{setting: value})


def test_settings_without_effect_are_all_named(peer_network):
    link = links(peer_network)
    sabotage(peer_network, "let_pass", "LinkFilter")
    named = set()

    def are_all_named():
        with pytest.raises(FaultNotEffective) as caught:
            link.set(**SETTINGS)
        named.update(name for name in SETTINGS if f"{name} " in str(caught.value))
        return named == set(SETTINGS)

    # A machine that is busy may delay a canary as much as the setting would, once.
    eventually(are_all_named, LONG)


@pytest.mark.parametrize(("setting", "value"), SETTINGS.items())
def test_setting_in_force_is_proved(peer_network, setting, value):
    links(peer_network).set(expect_hits=False, **{setting: value})


def test_all_settings_at_once_are_proved(peer_network):
    links(peer_network).set(expect_hits=False, **SETTINGS)


def test_fault_without_effect_is_not_in_force(peer_network):
    link = links(peer_network)
    sabotage(peer_network, "ignore", "loss")
    with pytest.raises(FaultNotEffective):
        link.set(loss=1, delay=30)
    link.set(delay=0.01, expect_hits=False)
    assert repr(link).startswith("<link from db-0 to db-1: delay 0.01>")


def test_wan_without_effect(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    eu(), us()
    sabotage(peer_network, "ignore", "delay")
    with pytest.raises(FaultNotEffective, match=r"wan between .* without effect: delay 0.05"):
        peer_network.wan(eu, us, delay=0.05)


def make_cut(network, a, b):
    return network.cut(a, b, expect_hits=False)


def make_hold(network, a, b):
    return network.hold(a, b, expect_hits=False)


def make_link(network, a, b):
    return network.link(a, b).set(delay=0.2, expect_hits=False)


@pytest.mark.parametrize("make", [make_cut, make_hold, make_link])
def test_healing_without_effect(peer_network, make):
    a, b = peer_network.many(2, name="db")
    fault = make(peer_network, a, b)
    sabotage(peer_network, "heal_nothing")
    with pytest.raises(FaultNotEffective, match=r"is healed, but from db-0 to db-1 .* stopped"):
        fault.heal()


@pytest.mark.parametrize("setting", ["loss", "duplicate", "corrupt", "reorder"])
def test_healing_of_a_setting_without_effect(peer_network, setting):
    link = links(peer_network).set(expect_hits=False, **{setting: 0.01})
    sabotage(peer_network, "heal_nothing")
    with pytest.raises(FaultNotEffective, match="is healed, but"):
        link.heal()


KEPT = pytest.mark.parametrize(
    ("setting", "value", "what"),
    [
        ("loss", 1, "stopped"),
        ("corrupt", 1, "stopped"),
        ("delay", 300, "stopped"),
        ("duplicate", 1, "arrived 2 times"),
    ],
)


@KEPT
def test_healing_that_leaves_settings_of_others(peer_network, setting, value, what):
    link = links(peer_network)
    link.set(reorder=0.01, expect_hits=False)
    told = f"healed, but from db-0 to db-1 a packet {what}"
    with pytest.raises(FaultNotEffective, match=told), link.set(**{setting: value}) as block:
        block.expect_hits = False
        sabotage(peer_network, "keep", setting, value)


@KEPT
def test_setting_of_0_without_effect(peer_network, setting, value, what):
    link = links(peer_network)
    link.set(expect_hits=False, **{setting: value})
    sabotage(peer_network, "keep", setting, value)
    told = f"without effect: {setting} 0: from db-0 to db-1 a packet {what}"
    with pytest.raises(FaultNotEffective, match=told):
        link.set(**{setting: 0})


@KEPT
def test_healing_of_a_wan_without_effect(peer_network, setting, value, what):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    eu(name="eu"), us(name="us")
    wan = peer_network.wan(eu, us, **{setting: value})
    sabotage(peer_network, "keep", setting, value)
    told = f"<lan us> is healed, but from eu to us a packet {what}"
    with pytest.raises(FaultNotEffective, match=told):
        wan.heal()


def test_healing_of_a_setting_is_excused_by_other_faults(peer_network):
    eu, us = peer_network.lan("eu"), peer_network.lan("us")
    a, b = eu(), us()
    wan = peer_network.wan(eu, us, loss=0.5, duplicate=0.5)
    link = peer_network.link(a, b)
    link.set(expect_hits=False, delay=0.1)
    with link.set(expect_hits=False, **SETTINGS):
        pass
    with peer_network.hold(a, b, expect_hits=False), link.set(expect_hits=False, **SETTINGS):
        pass
    link.set(expect_hits=False, **SETTINGS)
    wan.heal()


@pytest.mark.parametrize("inner_one", [make_cut, make_hold, make_link])
@pytest.mark.parametrize("outer_one", [make_cut, make_hold, make_link])
def test_fault_behind_another_is_proved_and_healed(peer_network, outer_one, inner_one):
    a, b = peer_network.many(2)
    outer = outer_one(peer_network, a, b)
    inner_one(peer_network, a, b).heal()
    outer.heal()
    start_server(b)
    assert a.call(ask, b.host) == b.host


def test_every_setting_on_a_cut_way_is_excused(peer_network):
    a, b = peer_network.many(2)
    with peer_network.cut(a, b, expect_hits=False):
        peer_network.link(a, b).set(expect_hits=False, **SETTINGS).heal()


def test_canaries_are_no_hits_and_not_held(peer_network):
    a, b = peer_network.many(2)
    link = peer_network.link(a, b).set(loss=0.5, delay=0.01, expect_hits=False)
    with peer_network.hold(a, b, expect_hits=False) as held:
        peer_network.cut(a, b, expect_hits=False).heal()
        assert (link.hits, held.hits, held.packets) == (0, 0, [])
        assert held.release() == held.drop() == 0


def test_proof_takes_no_draw(inner):
    """Losses are the same, however often the link is proved in between."""

    def lost(proofs):
        inner.write(
            f"""
from pathlib import Path

import network_calls

def test_it(peer_network):
    a, b = peer_network.many(2)
    network_calls.cast_and_bind(b, network_calls.collect_datagrams)
    link = peer_network.link(a, b)
    for part in range(4):
        for _ in range({proofs}):
            link.set(loss=0.5)
        texts = [b"%d" % (100 * part + number) for number in range(20)]
        a.call(network_calls.send_datagrams, b.host, texts)
    peer_network.heal()
    a.call(network_calls.send_datagram, b.host, b"end")
    b.stdout.wait_for("end")
    Path(__file__).with_name("arrived").write_text(b.stdout.text)
"""
        )
        inner.run("--peer-seed", "7").assert_outcomes(passed=1)
        return (inner.path / "arrived").read_text().split()

    assert lost(1) == lost(3)


def test_late_canaries_do_no_harm(peer_network):
    a, b = peer_network.many(2)
    for _ in range(20):
        peer_network.link(a, b).set(delay=0.002, expect_hits=False)
        peer_network.cut(a, b, expect_hits=False).heal()
