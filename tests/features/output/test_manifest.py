"""The manifest describes a peer and its end."""

from __future__ import annotations

import json
import os
import platform
from importlib import metadata

from timeouts import LONG

import pytest_peer


def manifest(peer: pytest_peer.Peer) -> dict[str, object]:
    return json.loads((peer.artifacts / "manifest.json").read_text())


def test_manifest_says_that_it_runs(peer):
    assert manifest(peer)["state"] == "running"
    assert manifest(peer)["pid"] == peer.pid
    assert manifest(peer)["ended"] is None


def test_manifest_has_the_versions_of_what_controls_the_peer(peer):
    told = manifest(peer)["versions"]
    packages = ("pytest-peer", "execnet", "pytest", "cloudpickle")
    assert told == {
        "python": platform.python_version(),
        **{name: metadata.version(name) for name in packages},
    }
    peer.stop()
    assert manifest(peer)["versions"] == told


def test_manifest_says_that_it_was_stopped(peer):
    peer.stop()
    told = manifest(peer)
    assert (told["state"], told["kind"], told["exit_status"], told["signal"]) == (
        "down",
        "stopped",
        0,
        None,
    )
    assert told["started"] < told["ended"]


def test_manifest_says_that_it_was_killed(peer):
    peer.kill()
    told = manifest(peer)
    assert (told["state"], told["exit_status"], told["signal"]) == ("down", None, "SIGKILL")


def test_manifest_says_how_it_exited(peer_factory):
    peer = peer_factory(peer_down="continue")
    peer.cast(os._exit, 3)
    peer.wait_down(LONG)
    told = manifest(peer)
    assert (told["state"], told["kind"], told["exit_status"]) == ("down", "exited", 3)


def test_manifest_says_what_it_was_before_its_end(peer_factory, program):
    peer = peer_factory()
    assert manifest(peer)["last_state"] is None
    peer.stop()
    assert manifest(peer)["last_state"] == "running"
    failed = peer_factory(exec=program("exit 3"), wait_boot=False)
    failed.wait_down(LONG)
    assert manifest(failed)["last_state"] == "booting"
