"""Who hears whom under each of Jepsen's grudges."""

from __future__ import annotations

import random

import pytest

from pytest_peer.network.faults import grudges

SIZES = [3, 4, 5, 6, 7, 8, 9, 10, 20, 101]


def draw(seed=0):
    return random.Random(seed)


def heard_by(hosts, ways):
    """Return whom each host hears, itself included."""
    return {host: frozenset(each for each in hosts if (each, host) not in ways) for host in hosts}


@pytest.mark.parametrize(
    ("groups", "ways"),
    [
        ([], set()),
        (["ab"], set()),
        (["a", "b"], {("a", "b"), ("b", "a")}),
        (["ab", "c"], {("a", "c"), ("b", "c"), ("c", "a"), ("c", "b")}),
        (["a", "b", ""], {("a", "b"), ("b", "a")}),
    ],
)
def test_all_ways_between_groups(groups, ways):
    assert grudges.between(groups) == ways


@pytest.mark.parametrize(("count", "sizes"), [(2, (1, 1)), (3, (1, 2)), (4, (2, 2)), (5, (2, 3))])
def test_halves_are_a_minority_and_a_majority(count, sizes):
    hosts = range(count)
    found = grudges.halves(hosts, draw())
    assert tuple(map(len, found)) == sizes
    assert sorted(found[0] + found[1]) == list(hosts)


def test_halves_keep_the_order_of_the_hosts():
    for seed in range(20):
        assert all(list(half) == sorted(half) for half in grudges.halves(range(7), draw(seed)))


@pytest.mark.parametrize("grudge", [grudges.halves, grudges.bridge, grudges.majorities_ring])
def test_choice_repeats_with_the_seed(grudge):
    assert grudge(range(5), draw(7)) == grudge(range(5), draw(7))


@pytest.mark.parametrize("grudge", [grudges.halves, grudges.bridge, grudges.majorities_ring])
def test_choice_is_another_with_another_seed(grudge):
    assert len({grudge(range(5), draw(seed)) for seed in range(20)}) > 1


def test_isolated_host_hears_nobody():
    ways = grudges.between(grudges.isolate("abc", "b"))
    assert heard_by("abc", ways) == {"a": {"a", "c"}, "b": {"b"}, "c": {"a", "c"}}


def test_bridge_hears_all_and_the_halves_only_it():
    middle, halves = grudges.bridge("abcde", draw())
    heard = heard_by("abcde", grudges.between(halves))
    assert heard[middle] == set("abcde")
    for half in halves:
        for host in half:
            assert heard[host] == {*half, middle}


@pytest.mark.parametrize("count", SIZES)
def test_in_a_ring_each_hears_a_majority(count):
    heard = heard_by(range(count), grudges.majorities_ring(range(count), draw()))
    assert all(len(each) > count / 2 for each in heard.values())


@pytest.mark.parametrize("count", SIZES)
def test_in_a_ring_no_two_hear_the_same(count):
    heard = heard_by(range(count), grudges.majorities_ring(range(count), draw()))
    assert len(set(heard.values())) == count


@pytest.mark.parametrize("count", SIZES)
def test_in_a_ring_who_hears_is_heard(count):
    ways = grudges.majorities_ring(range(count), draw())
    assert ways == {(b, a) for a, b in ways}


@pytest.mark.parametrize("count", SIZES[1:])
def test_in_a_ring_nobody_hears_all(count):
    heard = heard_by(range(count), grudges.majorities_ring(range(count), draw()))
    assert all(len(each) < count for each in heard.values())


@pytest.mark.parametrize(
    ("call", "least"),
    [
        (lambda hosts: grudges.halves(hosts, draw()), 2),
        (lambda hosts: grudges.isolate(hosts, 0), 2),
        (lambda hosts: grudges.isolate(hosts, "another"), 1),
        (lambda hosts: grudges.bridge(hosts, draw()), 3),
        (lambda hosts: grudges.majorities_ring(hosts, draw()), 3),
    ],
)
def test_too_few_hosts_are_refused(call, least):
    call(range(least))
    with pytest.raises(ValueError, match=f"at least {least} hosts"):
        call(range(least - 1))
