"""Boots that fail behind a launcher: the error shows what the launcher says."""

from __future__ import annotations

import os
import sys

import pytest
from processes import assert_gone
from ways import Way

import pytest_peer


def failure(peer_factory, *words: object, **options: object) -> pytest_peer.BootError:
    with pytest.raises(pytest_peer.BootError) as caught:
        peer_factory(exec=[str(word) for word in words], **options)
    return caught.value


def test_launcher_that_is_not_there(peer_factory, tmp_path):
    error = failure(peer_factory, tmp_path / "ssh", "far", sys.executable)
    assert isinstance(error, pytest_peer.ExecNotFound)
    assert error.argv[0] == str(tmp_path / "ssh")


def test_launcher_that_is_no_program(peer_factory, tmp_path):
    (tmp_path / "ssh").write_text("#!/bin/sh\n")
    error = failure(peer_factory, tmp_path / "ssh", "far", sys.executable)
    assert isinstance(error, pytest_peer.ExecNotFound)
    assert "ermission" in str(error)


def test_interpreter_that_is_not_there(way, peer_factory):
    error = failure(peer_factory, *way.before, "/no/such/python", wait_boot=40)
    assert error.exit_status != 0
    assert "/no/such/python" in str(error)
    assert error.output


def test_directory_that_is_not_there(way, peer_factory):
    error = failure(peer_factory, *way.exec, cwd="/no/such/directory", wait_boot=40)
    assert error.exit_status == 1
    assert "cannot start in '/no/such/directory'" in error.output


@pytest.mark.parametrize("status", [0, 3])
def test_launcher_that_ends(bare: Way, peer_factory, status):
    script = f"echo sorry; echo no >&2; exit {status}"
    error = failure(peer_factory, *bare.before, "sh", "-c", script, sys.executable)
    assert error.exit_status == status
    assert "bannersorry\n" in error.output
    assert "no\n" in error.output
    assert error.argv[: len(bare.before)] == list(bare.before)


def test_launcher_that_a_signal_ends(bare: Way, peer_factory):
    error = failure(peer_factory, *bare.before, "sh", "-c", "kill -TERM $$", sys.executable)
    assert "SIGTERM" in str(error)


def test_launcher_that_hangs_is_killed(bare: Way, peer_factory, tmp_path):
    script = 'echo $$ >"$0"; echo here; sleep 600'
    words = ("sh", "-c", script, tmp_path / "pid", sys.executable)
    error = failure(peer_factory, *bare.before, *words, wait_boot=3)
    assert isinstance(error, pytest_peer.BootTimeout)
    assert "here\n" in error.output
    assert_gone([int((tmp_path / "pid").read_text())])


def test_stop_while_the_launcher_hangs(bare: Way, peer_factory, tmp_path):
    script = 'echo $$ >"$0"; echo here; sleep 600'
    words = [*bare.before, "sh", "-c", script, str(tmp_path / "pid"), sys.executable]
    peer = peer_factory(exec=words, wait_boot=False)
    peer.stdout.wait_for("here", 20)
    peer.stop()
    assert_gone([int((tmp_path / "pid").read_text())])


@pytest.mark.parametrize("version", ["2.7", "3.7"])
def test_interpreter_that_is_too_old(bare: Way, peer_factory, requires_python, version):
    error = failure(peer_factory, *bare.before, requires_python(version))
    assert version == "2.7" or f"Python {version}" in error.output
    assert error.exit_status == 1


@pytest.mark.parametrize("version", ["3.8", "3.13"])
def test_interpreter_of_another_version(bare: Way, peer_factory, requires_python, version):
    peer = peer_factory(exec=[*bare.before, requires_python(version)])
    assert peer.python[:2] == tuple(map(int, version.split(".")))
    assert peer.call(os.getpid) == peer.pid


@pytest.mark.parametrize(
    "words",
    [
        ["docker", "run", "--rm", "image", "python3"],
        ["podman", "exec", "box", "python3"],
        ["kubectl", "exec", "pod", "--", "python3", "-i"],
        ["env", "A=1", "docker", "run", "image", "python3"],
    ],
)
def test_launcher_without_a_stdin_is_refused(peer_factory, words):
    with pytest.raises(ValueError, match="needs the option -i"):
        peer_factory(exec=words)


def test_noise_before_the_peer_is_shown(bare: Way, peer_factory):
    peer = peer_factory(exec=bare.exec)
    peer.call(print, "said")
    assert peer.stdout.text == "bannersaid\n"
    assert peer.stderr.text == "motd\n"


def test_noise_that_repeats_what_it_is_given_is_no_peer(bare: Way, peer_factory):
    script = 'head -c 5000 | tee /dev/stderr; cat >/dev/null; echo "$@"'
    error = failure(peer_factory, *bare.before, "sh", "-c", script, sys.executable, wait_boot=3)
    assert isinstance(error, pytest_peer.BootTimeout)


def test_noise_between_what_a_peer_says_loses_it(bare: Way, peer_factory, gate):
    script = '(read line <"$0"; echo noise) & exec "$@"'
    words = [*bare.before, "sh", "-c", script, gate.path, sys.executable]
    peer = peer_factory(exec=words, peer_down="continue")
    gate.open()
    assert peer.wait_down(20).kind == "link lost"
    assert "writes between what the peer writes: b'noise" in peer.stderr.text
