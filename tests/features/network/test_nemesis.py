"""A nemesis does faults at random while its block lasts, repeats them, and heals them."""

from __future__ import annotations

import contextlib
import threading

import network_calls
import pytest
from network_calls import LONG, ask, start_server

from pytest_peer import eventually

PERIOD = 0.01  # seconds; nothing here depends on it


def reached(nemesis, count):
    """Wait until the nemesis has done so many deeds."""
    eventually(lambda: len(nemesis.history) >= count, timeout=LONG)


def cutting(network, a, b):
    """Return a deed, and an event that is set when it was done."""
    done = threading.Event()

    def cut():
        fault = network.cut(a, b)
        done.set()
        return fault

    return cut, done


def test_nemesis_does_deeds_and_heals_them(peer_network):
    a, b, c = peer_network.many(3, name="db")
    deeds = [lambda: peer_network.cut(a, b), lambda: peer_network.isolate(c)]
    with peer_network.nemesis(deeds, period=PERIOD, expect_hits=False) as nemesis:
        reached(nemesis, 8)
    assert set(nemesis.history) == {"cut from db-0 to db-1", "isolate: db-2 | db-0, db-1"}
    for peer in (b, c):
        start_server(peer)
        assert a.call(ask, peer.host) == peer.host


def test_deed_in_force_is_healed_at_the_end(peer_network):
    a, b = peer_network.many(2)
    start_server(b)
    cut, done = cutting(peer_network, a, b)
    with peer_network.nemesis([cut], period=LONG, expect_hits=False) as nemesis:
        assert done.wait(LONG)
        assert isinstance(a.submit(ask, b.host, 80, 0.2).exception(LONG), TimeoutError)
    assert len(nemesis.history) == 1
    assert a.call(ask, b.host) == b.host


def history(network, peers, count, seed):
    deeds = [network.halves, network.majorities_ring, [p.pause for p in peers]]
    with network.nemesis(deeds, period=PERIOD, seed=seed, expect_hits=False) as nemesis:
        reached(nemesis, count)
    assert nemesis.seed == seed
    return nemesis.history[:count]


def test_history_repeats_with_the_seed(peer_network):
    peers = peer_network.many(3)
    assert history(peer_network, peers, 8, 7) == history(peer_network, peers, 8, 7)


def test_history_is_another_with_another_seed(peer_network):
    peers = peer_network.many(3)
    assert history(peer_network, peers, 8, 7) != history(peer_network, peers, 8, 8)


def test_replay_does_the_same_deeds_and_no_more(peer_network):
    peers = peer_network.many(3)
    deeds = [peer_network.halves, [peer.pause for peer in peers], [p.restart for p in peers]]
    with peer_network.nemesis(deeds, period=PERIOD, expect_hits=False) as nemesis:
        reached(nemesis, 6)
    with nemesis.replay() as again:
        pass
    assert again.history == nemesis.history
    with again.replay() as third:
        pass
    assert third.history == nemesis.history


@pytest.mark.parametrize("wrapped", [False, True])
def test_killed_peer_runs_again_at_the_end(peer_network, wrapped):
    (peer,) = peer_network.many(1, name="db")
    pid = peer.pid
    deed = (lambda: peer.kill()) if wrapped else peer.kill
    with peer_network.nemesis([deed], period=LONG) as nemesis:
        assert peer.wait_down(LONG).signal == 9
        reached(nemesis, 1)
    assert nemesis.history == ["kill db-0"]
    assert peer.call(abs, -1) == 1
    assert peer.pid != pid


def test_paused_peer_goes_on_at_the_end(peer_network):
    (peer,) = peer_network.many(1, name="db")
    with peer_network.nemesis([peer.pause], period=LONG) as nemesis:
        reached(nemesis, 1)
        call = peer.submit(abs, -1)
        assert not call.done()
    assert call.result(LONG) == 1
    assert nemesis.history == ["pause db-0"]


def test_restarted_peer_has_another_process(peer_network):
    (peer,) = peer_network.many(1, name="db")
    pid = peer.pid
    with peer_network.nemesis([peer.restart], period=LONG) as nemesis:
        reached(nemesis, 1)
    assert (nemesis.history, nemesis.hits) == (["restart db-0"], 1)
    assert peer.pid != pid


def test_group_is_killed_and_started_again(peer_network):
    peers = peer_network.many(2, name="db")
    with peer_network.nemesis([peers.kill], period=LONG) as nemesis:
        reached(nemesis, 1)
    assert nemesis.history == ["kill db-0, db-1"]
    assert peers.call(abs, -1) == [1, 1]


def entered(network, deed):
    """Return a nemesis whose deed has begun when `begun` is set."""
    begun = threading.Event()

    def noted():
        begun.set()
        return deed()

    return network.nemesis([noted], period=PERIOD, expect_hits=False), begun


def test_error_of_a_deed_is_raised_at_the_end(peer_network):
    nemesis, begun = entered(peer_network, lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError), nemesis:
        assert begun.wait(LONG)
    assert nemesis.history == []


def test_error_of_the_block_is_the_one_that_is_raised(peer_network):
    nemesis, begun = entered(peer_network, lambda: 1 / 0)
    with pytest.raises(KeyError) as caught, nemesis:
        assert begun.wait(LONG)
        raise KeyError
    assert caught.value.__notes__ == [
        "the nemesis had failed: ZeroDivisionError('division by zero')"
    ]


def test_deed_that_did_nothing_is_an_error(peer_network):
    nemesis, begun = entered(peer_network, lambda: None)
    with pytest.raises(TypeError, match="has to return a fault"), nemesis:
        assert begun.wait(LONG)


@pytest.mark.parametrize(
    ("deeds", "options", "error"),
    [
        ([], {}, ValueError),
        ([[]], {}, ValueError),
        ([1], {}, TypeError),
        ("halves", {}, TypeError),
        (abs, {}, TypeError),
        ([abs], {"period": 0}, ValueError),
        ([abs], {"period": "1"}, TypeError),
    ],
)
def test_what_is_no_deed_is_refused(peer_network, deeds, options, error):
    with pytest.raises(error):
        peer_network.nemesis(deeds, **options)


def test_single_deeds_need_no_hit(peer_network):
    a, b = peer_network.many(2)

    def hit_once():
        a.call(network_calls.send_datagram, b.host, b"any")
        return nemesis.hits

    with peer_network.nemesis([lambda: peer_network.cut(a, b)], period=PERIOD) as nemesis:
        eventually(hit_once, timeout=LONG)
        reached(nemesis, len(nemesis.history) + 2)


NO_HITS = """
def test_it(peer_network):
    peers = peer_network.many(3, name="db")
    deeds = [peer_network.halves]
    with peer_network.nemesis(deeds, period=0.01, seed=7) as nemesis:
        while not nemesis.history:
            pass
"""


def test_nemesis_without_any_hit_fails_the_test(inner):
    inner.write(NO_HITS)
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*FaultNotEffective: nemesis with seed 7*touched no packet*"])


def test_report_has_deeds_and_seed(inner):
    inner.write(
        NO_HITS.replace("peer_network.halves", "[each.restart for each in peers]")
        + "    assert 0, nemesis.history[0]\n"
    )
    result = inner.run()
    result.stdout.re_match_lines([r".*AssertionError: restart db-\d"])
    result.stdout.re_match_lines([r"nemesis with seed 7: \d+ deeds?", r" .* restart db-\d"])


def test_shrink_finds_the_deed_that_matters(peer_network):
    a, b, c = peer_network.many(3, name="db")
    deeds = [lambda: peer_network.cut(a, c), b.restart, c.pause]
    with peer_network.nemesis(deeds, period=PERIOD, expect_hits=False) as nemesis:
        eventually(lambda: len(set(nemesis.history)) == 3, timeout=LONG)

    def run():
        pid = b.pid
        with contextlib.suppress(AssertionError):
            eventually(lambda: b.pid != pid, timeout=2)  # a replay takes some periods
            raise RuntimeError("another process")

    assert nemesis.shrink(run) == ["restart db-1"]


def test_shrink_of_what_passes_is_refused(peer_network):
    a, b = peer_network.many(2)
    cut, done = cutting(peer_network, a, b)
    with peer_network.nemesis([cut], period=PERIOD, expect_hits=False) as nemesis:
        assert done.wait(LONG)
    with pytest.raises(ValueError, match="it passes with all"):
        nemesis.shrink(lambda: None)


def test_block_begins_once(peer_network):
    nemesis = peer_network.nemesis([peer_network.halves], expect_hits=False)
    peer_network.many(2)
    with nemesis:
        pass
    with pytest.raises(RuntimeError, match="replay"), nemesis:
        pass
