"""Several threads have one fault, or one link, in hand at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from pytest_peer.network.addresses import Host
from pytest_peer.network.faults.fault import Fault
from pytest_peer.network.verbs import Link

LONG = 30
#: Seconds in which another thread would come that does not wait for its turn.
MEANWHILE = 0.2


class Network:
    """Stands for a network, and has what it is asked for first meet what is asked for second."""

    seed = 0

    def __init__(self, met=("heal",)):
        self.draws = {}
        self.asked = []
        self.faults = []
        self.began = threading.Event()
        self._met = met
        self._second = threading.Event()

    def next_fault(self):
        return len(self.asked) + 1

    def clock(self):
        return 1.0

    def remember(self, fault):
        self.faults.append(fault)
        self.meet("remember")

    def forget(self, fault):
        pass

    def ask(self, function, *_):
        name = function.partition(":")[2]
        self.asked.append(name)
        if name == "counts":
            found = {1: {"hits": 3}} if "heal" not in self.asked else {}
            self.meet(name)
            return found
        self.meet(name)
        return ({"hits": 3}, {}) if name == "heal" else {}

    def meet(self, name):
        if name in self._met:
            if self.began.is_set():
                self._second.set()
            self.began.set()
            self._second.wait(MEANWHILE)


def at_once(network, first, second):
    """Call two functions, the second while the first asks the network."""
    with ThreadPoolExecutor(2) as pool:
        one = pool.submit(first)
        assert network.began.wait(LONG)
        other = pool.submit(second)
        return one.result(LONG), other.result(LONG)


def test_fault_is_healed_once():
    network = Network()
    fault = Fault(network, "cut", frozenset())
    at_once(network, fault.heal, fault.heal)
    assert network.asked == ["heal"]


def test_counts_outlast_the_healing_of_another_thread():
    network = Network()
    fault = Fault(network, "cut", frozenset())
    _, counts = at_once(network, fault.heal, lambda: fault.counts)
    assert counts == fault.counts == {"hits": 3}


def link(network):
    return Link(network, Host("a", 1), Host("b", 2))


@pytest.mark.parametrize("met", ["remember", "link"])
def test_first_settings_of_a_link_make_one_fault(met):
    network = Network((met,))
    made = link(network)
    one, other = at_once(network, lambda: made.set(delay=1), lambda: made.set(loss=0.5))
    assert one is other
    assert network.faults == [one]
    assert (one.settings.delay, one.settings.loss) == (1, 0.5)


def test_setting_of_a_fault_that_is_being_healed_makes_another():
    network = Network()
    made = link(network)
    old = made.set(delay=1)
    _, new = at_once(network, old.heal, lambda: made.set(loss=0.5))
    assert new is not old
    assert (new.healed, new.settings.delay, new.settings.loss) == (None, 0, 0.5)
