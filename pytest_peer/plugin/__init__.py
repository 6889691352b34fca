"""The pytest plugin: its hooks. Those of one subject are imported from its module."""

import functools
import os
import random
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from . import factory, fixtures, interpreters, live_terminal, settings, warm_up
from .crashes import pytest_terminal_summary
from .session import hide_frames, left_key, retention_key, running_key, spawned_key
from .settings import pytest_addoption
from .warm_up import pytest_collection_finish, pytest_itemcollected
from .xdist import pytest_configure_node, pytest_handlecrashitem, pytest_testnodedown

_seeded_key = pytest.StashKey[int]()  # how many peers of a test have a seed


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from . import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    for marker in (
        "peer(**options): options of the fixture `peer`, defaults of `peer_factory`.",
        "in_peer(**options): run the body of the test in a fresh peer with these options.",
    ):
        config.addinivalue_line("markers", marker)
    settings.read(config)
    settings.check_artifacts(config)
    factory.check_hosts(config)
    interpreters.configure(config)
    warm_up.configure(config)
    if live_terminal.shows_output(config) or live_terminal.shows_logs(config):
        from . import live_output  # not at the top: other runs do not pay for it

        live_output.configure(config)
    config.pluginmanager.register(fixtures, "peer-fixtures")


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Give the conftest before this one a second name, by which peers find it.

    pytest imports conftests of directories that are not packages all as ``conftest``, and removes
    the one before from ``sys.modules``. See `link.protocol.module_aliases`.
    """
    if not _is_conftest(plugin):
        return
    loaded = {id(module) for module in list(sys.modules.values())}
    for other in manager.get_plugins():
        if isinstance(other, ModuleType) and _is_conftest(other) and id(other) not in loaded:
            number = 1
            while (name := f"{other.__name__}@{number}") in sys.modules:
                number += 1
            sys.modules[name] = other


def _is_conftest(plugin: object) -> bool:
    return os.path.basename(getattr(plugin, "__file__", None) or "") == "conftest.py"


def pytest_peer_setup(config: pytest.Config) -> Callable[[], object] | None:
    """Where pytest-randomly seeds each test, seed its peers: the same in every run by its seed."""
    seed = config.getoption("randomly_seed", None)
    item = config.stash.get(running_key, None)
    if item is None or seed is None or not config.getoption("randomly_reset_seed", False):
        return None
    number = item.stash[_seeded_key] = item.stash.get(_seeded_key, 0) + 1
    return functools.partial(random.seed, f"{seed} {item.nodeid} {number}")


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[running_key] = item
    settings.check_markers(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    if call.excinfo is not None:
        hide_frames()


@pytest.hookimpl(trylast=True)  # after the teardown of what an interrupted test has left
def pytest_sessionfinish(session: pytest.Session) -> None:
    stash = session.config.stash
    if retention_key in stash:
        from ..launch.forkserver import registry

        crashes = stash[retention_key].finish()
        stash.setdefault(left_key, []).extend(crashes)
        stash[spawned_key] = registry.failure()
        if hasattr(session.config, "workeroutput"):  # of an xdist worker: the controller takes them
            session.config.workeroutput["peers"] = crashes, stash[spawned_key]
