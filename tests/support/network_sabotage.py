"""Take from the process that holds a network what makes its faults; it is of one test only."""

from __future__ import annotations

import socket
import threading
from dataclasses import replace


def let_pass(name):
    """Have filters of this class let everything pass."""
    from pytest_peer.network.switch import filters
    from pytest_peer.network.switch.verdicts import Sending

    kind = getattr(filters, name)
    kind.pass_on = lambda _, packet, __, now: [Sending(now, packet.frame)]


def ignore(setting):
    """Have links do nothing of a setting."""
    from pytest_peer.network.switch.verdicts import Way

    true = Way.pass_on

    def pass_on(way, *args):
        way.settings = replace(way.settings, **{setting: 0.0})
        return true(way, *args)

    Way.pass_on = pass_on


def keep(setting, value):
    """Have links do always what this value of a setting does, whatever they are set to."""
    from pytest_peer.network.switch.verdicts import Way

    true = Way.pass_on

    def pass_on(way, *args):
        way.settings = replace(way.settings, **{setting: value})
        return true(way, *args)

    Way.pass_on = pass_on


def heal_nothing():
    """Have filters stay when they are removed."""
    from pytest_peer.network.switch.filters import Filters

    Filters.remove = lambda every, number: every.get(number)


def turn_round():
    """Have filters stand in both directions."""
    from pytest_peer.network.switch.filters import Filters

    true = Filters.between
    Filters.between = lambda every, pair: true(every, pair) or true(every, pair[::-1])


def fill_capture(size):
    """Have the file with what the switch has seen take no more than `size` bytes."""
    from pytest_peer.network.holder.holder import held

    held()._capture._most = size


_go_on = threading.Event()


def stop_switch():
    """Have the switch take nothing, and its sockets keep little, until `go_on`."""
    from pytest_peer.network.holder.holder import held

    switch = held().switch
    for port in switch._ports.values():
        port.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 14)
    stopped = threading.Event()
    switch.post(lambda: (stopped.set(), _go_on.wait(10)))
    stopped.wait(10)


def break_switch():
    """Have the switch's thread meet an exception that nobody has thought of."""
    from pytest_peer.network.holder.holder import held

    held().switch.post(lambda: 1 / 0)


def go_on():
    """Have the switch go on, and wait until it has taken what its sockets keep."""
    from pytest_peer.network.holder.holder import held

    _go_on.set()
    for _ in range(2):  # the first may be done in the same turn
        held().switch.run(int)


def unplug(name):
    """Take down the interface of a host."""
    _set(name, "down")


def plug(name):
    """Bring it up again."""
    _set(name, "up")


def _set(name, state):
    from pyroute2.iproute import IPRoute

    from pytest_peer.network.holder import netlink
    from pytest_peer.network.holder.holder import held

    with netlink.inside(held().places[name].net, back=(netlink.own("net"),)), IPRoute() as found:
        found.link("set", index=socket.if_nametoindex("eth0"), state=state)


def sabotage(network, function, *args):
    network._fabric.ask(f"{__name__}:{function}", *args)
