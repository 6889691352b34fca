"""The pytest plugin: hooks and nothing else."""

from __future__ import annotations

from collections.abc import Generator

import pytest

from . import crash
from . import report
from . import settings
from . import warm_up
from .fixtures import _lasting_peers
from .fixtures import class_peer_factory
from .fixtures import module_peer_factory
from .fixtures import nurseries_key
from .fixtures import package_peer_factory
from .fixtures import peer
from .fixtures import peer_factory
from .fixtures import running_key
from .fixtures import session_peer_factory

__all__ = [
    "_lasting_peers",
    "class_peer_factory",
    "module_peer_factory",
    "package_peer_factory",
    "peer",
    "peer_factory",
    "session_peer_factory",
]

_shown_key = pytest.StashKey[report.Shown]()


def pytest_addoption(parser: pytest.Parser) -> None:
    settings.add_options(parser)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "peer(**options): options of the fixture `peer`, defaults of `peer_factory`."
    )
    settings.read(config)
    warm_up.configure(config)


def pytest_itemcollected(item: pytest.Item) -> None:
    warm_up.collected(item)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        settings.marked(item)


# A wrapper: of an error in the setup of a peer this leaves one frame to show, and pytest shows no error without one.
@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Generator[None, object, object]:
    item.config.stash[running_key] = item
    nurseries = item.config.stash.get(nurseries_key, ())
    if nurseries:
        shown = item.stash[_shown_key] = report.Shown()
        shown.start(peer for nursery in nurseries for peer in nursery.started)
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    nurseries = item.config.stash.get(nurseries_key, [])
    if not nurseries:
        return (yield)
    with crash.failing_at_once(nurseries):
        result = yield
    # Only after a body that passed: a failing one has its own tale, and the report tells of the peers anyway.
    for nursery in nurseries:
        nursery.raise_crashes()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Generator[None, object, object]:
    result = yield
    for nursery in item.config.stash.get(
        nurseries_key, ()
    ):  # of wider scopes: those of the test are closed, and have warned
        nursery.warn_of_deaths()
    return result


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    nurseries = item.config.stash.get(nurseries_key, ())
    peers = [peer for nursery in nurseries for peer in nursery.started]
    if peers:
        shown = item.stash.setdefault(_shown_key, report.Shown())
        for title, text in shown.sections(peers):
            item.add_report_section(call.when, title, text)
        if call.excinfo is not None:
            item.add_report_section(call.when, "peers", report.state_section(peers))
    return (yield)
