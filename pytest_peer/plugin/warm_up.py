"""The start of the fork server while pytest still collects, for the first test that uses a peer."""

import contextlib
import sys

import pytest

from ..core.start_methods import SPAWN, patched_by
from ..launch.forkserver import preload
from . import settings
from .session import FACTORIES, NETWORK


def configure(config: pytest.Config) -> None:
    """Have the fork server import pytest, and the modules of the ini option ``peer_preload``."""
    names = config.getini("peer_preload")
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise pytest.UsageError(f"ini option peer_preload: not the name of a module: {name!r}")
    before = list(preload.modules)
    preload.modules[:] = dict.fromkeys([*before, "pytest", *names])
    config.add_cleanup(lambda: preload.modules.__setitem__(slice(None), before))


def pytest_itemcollected(item: pytest.Item) -> None:
    """Prepare for a test that has been found: start the fork server if the test will need it."""
    in_peer = item.get_closest_marker("in_peer") is not None
    if in_peer:
        from .in_peer import prepare  # not at the top: most suites have no such test

        prepare(item)
    used = {"peer", NETWORK, *FACTORIES}.intersection(getattr(item, "fixturenames", ()))
    if not (used or in_peer) or item.config.option.collectonly:
        return
    from . import runtest  # nor this: a suite without peers does not pay for it

    runtest.expect_peers(item.config)
    programs = settings.programs(item.config) or [[sys.executable]]
    if [sys.executable] in programs and settings.read(item.config).get("start_method") != SPAWN:
        from ..launch.forkserver import registry

        # No descriptors, memory or threads left: the start of a peer raises the error.
        with contextlib.suppress(OSError, RuntimeError):
            if not registry.unavailable() and not patched_by():
                registry.running()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Look once more for the marker ``in_peer``: a conftest may have added it."""
    for item in session.items:
        if item.get_closest_marker("in_peer") is not None:
            pytest_itemcollected(item)
