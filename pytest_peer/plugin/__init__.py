"""The pytest plugin: hooks and nothing else."""

from __future__ import annotations

import pytest

from . import conftests
from . import hosts
from . import interpreters
from . import settings
from . import summary
from . import warm_up
from . import xdist
from .fixtures import _lasting_peers
from .fixtures import _peer_exec
from .fixtures import class_peer_factory
from .fixtures import module_peer_factory
from .fixtures import package_peer_factory
from .fixtures import peer
from .fixtures import peer_factory
from .fixtures import retention_key
from .fixtures import running_key
from .fixtures import session_peer_factory

__all__ = [
    "_lasting_peers",
    "_peer_exec",
    "class_peer_factory",
    "module_peer_factory",
    "package_peer_factory",
    "peer",
    "peer_factory",
    "session_peer_factory",
]


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from . import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser) -> None:
    settings.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "peer(**options): options of the fixture `peer`, defaults of `peer_factory`."
    )
    config.addinivalue_line(
        "markers",
        "in_peer(**options): run the body of the test in a fresh peer with these options.",
    )
    settings.read(config)
    settings.check_artifacts(config)
    hosts.check(config)
    interpreters.configure(config)
    warm_up.configure(config)


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    conftests.registered(plugin, manager.get_plugins)


def pytest_itemcollected(item: pytest.Item) -> None:
    warm_up.collected(item)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        settings.marked(item)


def pytest_collection_finish(session: pytest.Session) -> None:
    for item in session.items:  # once more: a conftest may have added the marker
        if item.get_closest_marker("in_peer") is not None:
            warm_up.collected(item)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[running_key] = item


@pytest.hookimpl(trylast=True)  # after the teardown of what an interrupted test has left
def pytest_sessionfinish(session: pytest.Session) -> None:
    stash = session.config.stash
    if retention_key in stash:
        told = stash[retention_key].finish()
        if told is not None:
            stash.setdefault(xdist.left_key, []).append(told)
            xdist.worker_ends(session.config, told)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    told = [
        *summary.attached(terminalreporter.stats.values()),
        *config.stash.get(xdist.left_key, ()),
    ]
    for title, lines in (
        ("peers that crashed", list(summary.crashes(told))),
        ("artifacts of peers that could not be copied", summary.failures(told)),
    ):
        if lines:
            terminalreporter.section(title)
            for line in lines:
                terminalreporter.line(line)


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: object) -> None:
    xdist.configure_worker(node)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    xdist.worker_ended(node)


@pytest.hookimpl(optionalhook=True)
def pytest_handlecrashitem(report: pytest.TestReport) -> None:
    xdist.worker_crashed(report)
