"""Peers behind launchers that pass on nothing but stdin, stdout and stderr."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import engines
import prefixes
import pytest
import slurm_cluster
import sshds
from timeouts import LONGER
from traces import Trace
from ways import WAYS, Way, available

import pytest_peer


def directory(factory: pytest.TempPathFactory, name: str) -> Path:
    return factory.mktemp(name)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Way:
    return prefixes.bare(directory(tmp_path_factory, "bare"))


@pytest.fixture(scope="session")
def kubectl(tmp_path_factory: pytest.TempPathFactory) -> Way:
    return prefixes.kubectl(directory(tmp_path_factory, "kubectl"))


@pytest.fixture(scope="session")
def sudo(tmp_path_factory: pytest.TempPathFactory) -> Way:
    with available():
        return prefixes.sudo(directory(tmp_path_factory, "sudo"))


@pytest.fixture(scope="session")
def ssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with available(), sshds.ssh(directory(tmp_path_factory, "ssh")) as way:
        yield way


@pytest.fixture(scope="session")
def three_hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with available(), sshds.three_hosts(directory(tmp_path_factory, "hosts")) as config:
        yield config


@pytest.fixture(scope="session")
def dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    with available(), engines.dockerd(directory(tmp_path_factory, "docker")) as docker:
        yield docker


@pytest.fixture(scope="session")
def networked_dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    place = directory(tmp_path_factory, "networked")
    with available(), engines.networked_dockerd(place) as docker:
        yield docker


@pytest.fixture(scope="session")
def podman(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with available(), engines.podman(directory(tmp_path_factory, "podman")) as way:
        yield way


@pytest.fixture(scope="session")
def docker_run(dockerd: list[str]) -> Way:
    return Way(engines.run_options(dockerd), container=True)


@pytest.fixture(scope="session")
def docker_exec(dockerd: list[str]) -> Iterator[Way]:
    with engines.container(dockerd) as ident:
        yield Way((*dockerd, "exec", "-i", ident), container=True)


@pytest.fixture(scope="session")
def srun(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Way]:
    with available(), slurm_cluster.slurm(directory(tmp_path_factory, "slurm")) as way:
        yield way


@pytest.fixture(scope="module", params=WAYS)
def way(request: pytest.FixtureRequest) -> Way:
    return request.getfixturevalue(request.param)


@pytest.fixture
def trace() -> Trace:
    """What a peer and all that it starts have in their environment, wherever they run."""
    return Trace(uuid.uuid4().hex)


@pytest.fixture
def started(peer_factory, trace: Trace) -> Callable[..., pytest_peer.Peer]:
    """Return a function that starts a peer a given way, whose death fails no test."""

    def start(way: Way, **options: object) -> pytest_peer.Peer:
        env = {**trace.env, **options.pop("env", {})}
        options = {"peer_down": "continue", "wait_boot": LONGER, **options}
        return peer_factory(exec=way.exec, env=env, **options)

    return start


@pytest.fixture
def far(way: Way, started: Callable[..., pytest_peer.Peer]) -> pytest_peer.Peer:
    """A peer behind each of them."""
    return started(way)


@pytest.fixture(scope="module")
def shared_far(way: Way, module_peer_factory) -> pytest_peer.Peer:
    """A peer behind each of them, for tests that leave it as it was."""
    return module_peer_factory(exec=way.exec, wait_boot=LONGER)
