"""Launchers that only a hook or an option names."""

from __future__ import annotations

import os
import shutil
import sys

import pytest
from engines import mounts

import pytest_peer
from pytest_peer import over_stdio


@pytest.fixture
def unknown(bare, tmp_path) -> str:
    """A launcher that passes on only stdin and stdout, under a name that is in no table."""
    return str(shutil.copy(bare.before[0], tmp_path / "mycloud"))


def test_unknown_launcher_can_be_called_what_it_is(peer_factory, unknown):
    peer = peer_factory(exec=over_stdio([unknown, sys.executable]), env={"WHERE": "there"})
    assert peer.call(os.getenv, "WHERE") == "there"
    assert peer.restart().call(os.getenv, "WHERE") == "there"


def test_words_for_a_shell_over_there_are_quoted(peer_factory, tmp_path):
    shell = tmp_path / "rsh"
    shell.write_text('#!/bin/sh\nexec 3<&- 4<&- 5<&- 6<&- 7<&- 8<&-\nshift\nexec sh -c "$*"\n')
    shell.chmod(0o755)
    words = [str(shell), "host", "GREETING='good morning'", sys.executable]
    peer = peer_factory(exec=over_stdio(words, shell=True), env={"TWO": "a  b"}, args=["-X", "dev"])
    assert [peer.call(os.getenv, name) for name in ("GREETING", "TWO")] == ["good morning", "a  b"]


@pytest.mark.parametrize("words", ["mycloud python3", ["mycloud", 7]])
def test_other_things_than_words_are_refused(words):
    with pytest.raises(TypeError, match="over_stdio: expected a list of str"):
        over_stdio(words)


def test_every_peer_in_a_container_of_its_own(dockerd, pytester, monkeypatch):
    """The guide's example with docker instead of Kubernetes: containers outlive their peers."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    seen = [*mounts(sys.executable), "--network", "none", "--init"]
    pytester.makeconftest(
        f"""
        import contextlib
        import subprocess

        DOCKER, SEEN = {dockerd!r}, {seen!r}

        def docker(*words):
            subprocess.run([*DOCKER, *words], check=True, capture_output=True)

        @contextlib.contextmanager
        def container(name, image):
            docker("run", "-d", "--rm", "--name", name, *SEEN, image, "sleep", "3600")
            try:
                yield [*DOCKER, "exec", "-i", name, {sys.executable!r}]
            finally:
                docker("kill", name)

        def pytest_peer_launcher(options):
            if options["exec"][0] == "container":
                return container(options["name"], options["exec"][1])
        """
    )
    pytester.makepyfile(
        """
        import subprocess
        from conftest import DOCKER

        def running():
            listed = subprocess.run([*DOCKER, "ps", "--format", "{{.Names}}"], capture_output=True, text=True)
            return listed.stdout.split()

        def test(peer_factory):
            peers = peer_factory.many(2, exec=["container", "empty:1"], wait_boot=40)
            assert {peer.name for peer in peers} <= set(running())
            peers[0].kill()
            assert peers[0].name in running()
            assert peers[0].restart().call(abs, -1) == 1

        def test_none_is_left():
            assert not [name for name in running() if name.startswith("test_")]
        """
    )
    result = pytester.runpytest_subprocess("-p", "peer", "-p", "no:randomly")
    result.assert_outcomes(passed=2)


def test_command_over_stdio_is_in_the_manifest(peer_factory, unknown):
    peer = peer_factory(exec=over_stdio([unknown, sys.executable]))
    assert peer.options.exec == (unknown, sys.executable)
    assert unknown in (peer.artifacts / "manifest.json").read_text()
    assert isinstance(peer, pytest_peer.Peer)
