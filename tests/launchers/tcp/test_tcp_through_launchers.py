"""Peers over TCP behind launchers that pass on stdin, and no variables."""

from __future__ import annotations

import os
import sys

import pytest

import pytest_peer
from pytest_peer import BootError


@pytest.fixture
def launcher(tmp_path):
    """Return a function that makes a launcher of that name, with an environment of its own."""

    def make(name: str) -> str:
        path = tmp_path / name
        path.write_text(
            "#!/bin/sh\n"
            'for word; do shift; case "$word" in run|-i|image) ;; *) set -- "$@" "$word";; esac; done\n'
            'exec env -i PATH="$PATH" "$@"\n'
        )
        path.chmod(0o755)
        return str(path)

    return make


def line() -> str:
    return sys.stdin.readline()


@pytest.mark.parametrize("words", [["sudo"], ["docker", "run", "-i", "image"]])
def test_secret_comes_on_stdin(peer_factory, launcher, words):
    name, *more = words
    peer = peer_factory(
        connection=0, exec=[launcher(name), *more, sys.executable], env={"ADDED": "1"}
    )
    assert peer.call(os.getenv, "ADDED") == "1"
    peer.stdin.write("the user's own\n")
    assert peer.call(line) == "the user's own\n"


def test_launcher_that_the_user_declares_gets_it_so_too(peer_factory, launcher):
    words = pytest_peer.over_stdio([launcher("reach"), sys.executable])
    assert peer_factory(connection=0, exec=words).call(os.getpid)


def test_secret_is_in_no_environment_then(peer_factory, launcher):
    peer = peer_factory(connection=0, exec=[launcher("sudo"), sys.executable])
    with open(f"/proc/{peer.pid}/environ", "rb") as file:
        assert b"PYTEST_PEER" not in file.read()


def test_ssh(ssh, peer_factory):
    peer = peer_factory(connection=0, exec=ssh.exec, wait_boot=40)
    assert peer.call(os.getpid) == peer.pid


def test_launcher_without_stdin_is_refused(peer_factory, launcher, tmp_path):
    words = [launcher("docker"), "run", "image", sys.executable]
    with pytest.raises(ValueError, match="needs the option -i"):
        peer_factory(connection=0, exec=words)


@pytest.mark.parametrize("detached", [False, True])
def test_lost_variable_is_named_with_what_to_do(peer_factory, launcher, detached):
    """A detached peer has no stdin, and of another program nothing is known."""
    words = [launcher("sudo" if detached else "other"), sys.executable]
    with pytest.raises(BootError) as caught:
        peer_factory(connection=0, exec=words, detached=detached)
    assert "PYTEST_PEER_SECRET is missing: what is in front" in caught.value.output
    assert "Traceback" not in caught.value.output
