"""A library is upgraded node by node, while old and new nodes share what they have stored.

The library is semver, which from version 2 to 3 has become a package with other classes in it. Each
of the two is in a virtual environment of its own, in which nothing else is installed.

Shows: peers with other interpreters (`exec`), which need neither pytest nor pytest-peer; a node
that restarts with another one (`restart(exec=...)`); functions of the test module and of
`registry`, which each peer imports with its own version of the library; exceptions that come back
as themselves; a class that only one of the versions has (`DecodeError`).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import registry
import semver

from pytest_peer import DecodeError, PeerGroup

OLD = "2.13.0"
NEW = "3.0.4"  # the origin has this major version too


@pytest.fixture
def old(python_with: Callable[[str], Path]) -> Path:
    return python_with(f"semver=={OLD}")


@pytest.fixture
def new(python_with: Callable[[str], Path]) -> Path:
    return python_with(f"semver=={NEW}")


@pytest.fixture
def nodes(peer_factory, old: Path) -> PeerGroup:
    return peer_factory.many(3, name="node", exec=old)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Return the path of the registry that all nodes share. It is empty."""
    path = tmp_path / "registry.sqlite"
    registry.create(path)
    return path


def test_all_nodes_read_what_all_have_written_at_every_step(nodes, new, path):
    published = []

    def all_publish_and_read(minor):
        for patch, node in enumerate(nodes):
            published.append(f"1.{minor}.{patch}")
            node.call(registry.publish_text, path, published[-1])
        assert nodes.call(registry.releases, path) == [published] * 3

    all_publish_and_read(0)
    for upgraded, node in enumerate(nodes, start=1):
        node.restart(exec=new)
        running = [NEW] * upgraded + [OLD] * (3 - upgraded)
        assert nodes.call(registry.library) == running
        all_publish_and_read(upgraded)


def test_a_node_can_go_back(peer_factory, old, new, path):
    node = peer_factory(exec=new)
    node.call(registry.publish_text, path, "1.0.0-rc.1")
    node.restart(exec=old)
    assert node.call(registry.releases, path) == ["1.0.0-rc.1"]


def test_pickles_of_a_new_node_break_the_old_ones(nodes, new, path):
    """An upgrade of all nodes at once would not show this."""
    first, *others = nodes
    first.call(registry.publish_pickle, path, "1.0.0")
    first.restart(exec=new)
    assert first.call(registry.releases, path) == ["1.0.0"]  # the new version reads the old

    first.call(registry.publish_pickle, path, "2.0.0")
    for node in others:
        with pytest.raises(ModuleNotFoundError, match=r"'semver\.version'"):
            node.call(registry.releases, path)

    for node in others:
        node.restart(exec=new)
    assert nodes.call(registry.releases, path) == [["1.0.0", "2.0.0"]] * 3


def next_major(version: semver.VersionInfo) -> semver.VersionInfo:
    return version.bump_major()


def test_an_object_of_the_new_version_cannot_be_sent_to_an_old_node(peer_factory, old, new):
    node = peer_factory(exec=old)
    version = semver.VersionInfo.parse("1.2.3")
    with pytest.raises(DecodeError, match=r"No module named 'semver\.version'"):
        node.call(next_major, version)
    node.restart(exec=new)
    assert str(node.call(next_major, version)) == "2.0.0"


def test_an_object_of_an_old_node_arrives_as_one_of_the_new_version(peer_factory, old):
    node = peer_factory(exec=old)
    version = node.call(
        "semver:VersionInfo.parse", "1.2.3"
    )  # by name: the function here is another
    assert type(version) is semver.Version
    assert str(version) == "1.2.3"
