"""The choice between forked and spawned peers."""

from __future__ import annotations

import os
import subprocess
import sys

import psutil
import pytest
from manifests import manifest

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="there are fork servers on Linux only"
)


def test_peer_is_forked_by_default(peer_factory):
    told = manifest(peer_factory(start_method=None))
    assert told["start_method"] == "forkserver"
    assert told["start_method_reason"] == "the default, and nothing is against it"


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_start_method_that_is_asked_for_is_used(peer_factory, method):
    told = manifest(peer_factory(start_method=method))
    assert told["start_method"] == method
    assert told["start_method_reason"] == "start_method asks for it"


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"args": ["-O"]}, "args are read at the start of an interpreter"),
        ({"exec": ["env", sys.executable]}, "exec is not the origin's interpreter"),
        (
            {"env": {"PYTHONHASHSEED": "1"}},
            "env has variables that an interpreter reads at its start: PYTHONHASHSEED",
        ),
    ],
)
def test_peer_that_cannot_be_forked_is_spawned(peer_factory, options, reason):
    told = manifest(peer_factory(start_method=None, **options))
    assert (told["start_method"], told["start_method_reason"]) == ("spawn", reason)


def test_variable_that_python_reads_at_start_means_spawn(peer_factory, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    peer = peer_factory(start_method=None)
    assert manifest(peer)["start_method"] == "spawn"
    assert peer.call(hash, "a") == int(
        subprocess.run(
            [sys.executable, "-c", "print(hash('a'))"], capture_output=True, text=True, check=True
        ).stdout
    )


def test_asking_for_the_fork_server_is_then_an_error(peer_factory, monkeypatch):
    monkeypatch.setenv("PYTHONHASHSEED", "1")
    with pytest.raises(ValueError, match="variables that are read at start changed"):
        peer_factory(start_method="forkserver")


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_origin_that_was_started_without_site_has_peers_with_it(method):
    """For which it is another environment, if there is a virtual one."""
    program = (
        f"import pytest_peer; print(pytest_peer.start(start_method={method!r}).call(len, 'abc'))"
    )
    ended = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.stdout, ended.stderr) == ("3\n", "")


def test_forked_peers_have_one_fork_server(peer_factory):
    peers = peer_factory.many(3, start_method="forkserver")
    (server,) = {psutil.Process(peer.pid).parents()[2] for peer in peers}
    assert server.ppid() == os.getpid()
