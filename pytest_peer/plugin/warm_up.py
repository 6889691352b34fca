"""The fork server starts while pytest still collects, as soon as a test is found that will use a peer."""

from __future__ import annotations

import contextlib
import sys

import pytest

from ..core.monkey_patches import patched_by
from ..core.start_methods import SPAWN
from ..core.start_methods import unsupported
from ..launch.forkserver import preload
from . import controller
from . import settings

FIXTURES = {
    "peer",
    "peer_factory",
    "class_peer_factory",
    "module_peer_factory",
    "package_peer_factory",
    "session_peer_factory",
}


def configure(config: pytest.Config) -> None:
    """Have what tests need imported in the fork server: pytest, and the ini option ``peer_preload``.

    :raises pytest.UsageError: that is no list of module names.
    """
    names = config.getini("peer_preload")
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise pytest.UsageError(f"ini option peer_preload: not the name of a module: {name!r}")
    before = list(preload)
    preload[:] = dict.fromkeys([*before, "pytest", *names])
    config.add_cleanup(lambda: preload.__setitem__(slice(None), before))


def expect_peers(config: pytest.Config) -> None:
    """There are, or will be, tests with peers: register the hooks around their phases."""
    from . import runtest  # a suite without peers does not pay for this import

    if not config.pluginmanager.is_registered(runtest):
        config.pluginmanager.register(runtest, "peer-phases")


def collected(item: pytest.Item) -> None:
    """A test has been found: start the fork server if it will need one and there is none."""
    in_peer = item.get_closest_marker("in_peer") is not None
    if in_peer:
        from .in_peer import prepare  # not at the top, as `phases`

        prepare(item)
    without = FIXTURES.isdisjoint(getattr(item, "fixturenames", ())) and not in_peer
    if without or item.config.option.collectonly:
        return
    expect_peers(item.config)
    controller.watch(item.config)
    if unsupported(sys.platform, sys.implementation.name):
        return  # without importing anything
    programs = settings.programs(item.config)
    serves = not programs or [sys.executable] in programs
    if serves and settings.read(item.config).get("start_method") != SPAWN:
        from ..launch.forkserver import (
            registry,  # not at the top: a suite without peers does not pay for it
        )

        # Of descriptors, memory, threads that there are not; who starts a peer is told.
        with contextlib.suppress(OSError, RuntimeError):
            if not registry.unavailable() and not patched_by():
                registry.running()
