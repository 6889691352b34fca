"""Where public names of this package are at home that make no sense in a peer: they can be imported, and no more."""

from __future__ import annotations

from pytest_peer_agent.agent.stubs.placeholder import placeholder


def __getattr__(name):
    if name.startswith("_"):
        raise AttributeError(name)
    why = "works where pytest runs: this peer has no pytest_peer installed"
    return globals().setdefault(name, placeholder("pytest_peer", name, why))
