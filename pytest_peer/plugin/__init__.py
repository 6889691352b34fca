"""The pytest plugin: its hooks."""

from __future__ import annotations

import sys

import pytest

from . import conftests, factory, fixtures, interpreters, reporting, settings, warm_up, xdist
from .session import left_key, retention_key, running_key


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
    factory.check_hosts(config)
    interpreters.configure(config)
    warm_up.configure(config)
    config.pluginmanager.register(fixtures, "peer-fixtures")


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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Keep the frames of this package out of a traceback that is about to be shown."""
    if call.excinfo is not None:
        for name, module in list(sys.modules.items()):
            if name.startswith("pytest_peer."):
                vars(module).setdefault("__tracebackhide__", True)


@pytest.hookimpl(trylast=True)  # after the teardown of what an interrupted test has left
def pytest_sessionfinish(session: pytest.Session) -> None:
    stash = session.config.stash
    if retention_key in stash:
        crashes = stash[retention_key].finish()
        stash.setdefault(left_key, []).extend(crashes)
        xdist.worker_ends(session.config, crashes)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    crashes = [
        *reporting.attached(terminalreporter.stats.values()),
        *config.stash.get(left_key, ()),
    ]
    if crashes:
        terminalreporter.section("peers that crashed")
        for line in reporting.crash_lines(crashes):
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
