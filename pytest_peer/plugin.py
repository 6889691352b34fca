"""The pytest plugin: hooks and nothing else."""

from __future__ import annotations

import pytest

from . import settings
from . import warm_up
from .fixtures import _lasting_peers
from .fixtures import class_peer_factory
from .fixtures import module_peer_factory
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


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.stash[running_key] = item
