"""Stands for modules with public names. Those that are not imported here only can be imported."""

from pytest_peer_agent.agent.stubs.placeholder import placeholder
from pytest_peer_agent.link.protocol.mailbox import Mailbox  # noqa: F401 - to be imported from here

from pytest_peer.here import mailbox  # noqa: F401 - a peer has one set of mailboxes

_WHY = "works where pytest runs: this peer has no pytest_peer installed"


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    return globals().setdefault(name, placeholder("pytest_peer", name, _WHY))
