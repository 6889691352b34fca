"""A crash leaves stacks and a core."""

from __future__ import annotations

import ctypes
import faulthandler
import json
import os
import resource
import shutil
import signal
import sys
from pathlib import Path

import pytest
from timeouts import LONG

import pytest_peer

CRASHES = [signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGFPE, signal.SIGILL]
CORE_PATTERN = Path("/proc/sys/kernel/core_pattern")


@pytest.fixture(params=["forkserver", "spawn"])
def frail(request, peer_factory) -> pytest_peer.Peer:
    """A peer whose death fails no test."""
    return peer_factory(name="frail", peer_down="continue", start_method=request.param)


def crash(number: int) -> None:
    signal.raise_signal(number)


def read_nowhere() -> None:
    ctypes.string_at(0)


def read_nowhere_with_a_core(directory: str) -> None:
    os.chdir(directory)
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    read_nowhere()


def manifest(peer: pytest_peer.Peer) -> dict[str, str | None]:
    return json.loads((peer.artifacts / "manifest.json").read_text())


# Stacks


@pytest.mark.parametrize("number", CRASHES)
def test_crash_leaves_the_stacks_in_a_file(frail, number):
    frail.cast(crash, number)
    frail.wait_down(LONG)
    text = (frail.artifacts / "crash.txt").read_text()
    assert "Fatal Python error" in text
    assert "in crash" in text


def test_error_quotes_them(frail):
    with pytest.raises(pytest_peer.PeerDown, match="in read_nowhere") as caught:
        frail.call(read_nowhere)
    assert "Segmentation fault" in caught.value.crash
    assert "pytest_peer" not in caught.value.crash.partition("core:")[0]  # our own frames


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python 3.14 and newer write it")
@pytest.mark.parametrize("to_stderr", [False, True])
def test_stack_of_c_is_in_the_file_and_not_in_the_message(peer_factory, to_stderr):
    peer = peer_factory(peer_down="continue")
    if to_stderr:
        peer.call(faulthandler.enable)
    with pytest.raises(pytest_peer.PeerDown, match="in read_nowhere") as caught:
        peer.call(read_nowhere)
    file = peer.artifacts / ("stderr.log" if to_stderr else "crash.txt")
    assert "C stack trace" in file.read_text()
    assert "C stack trace" not in str(caught.value)
    assert "Binary file" not in str(caught.value)


def test_crash_in_the_first_call_leaves_its_stack(peer_factory):
    """The agent has begun a thread for it, at which Python 3.13.15 and newer may stop."""
    for peer in peer_factory.many(8, name="frail", peer_down="continue"):
        with pytest.raises(pytest_peer.PeerDown, match="in read_nowhere"):
            peer.call(read_nowhere)


def test_stderr_is_left_to_the_peer(frail):
    with pytest.raises(pytest_peer.PeerDown):
        frail.call(read_nowhere)
    assert frail.stderr.text == ""


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_other_death_leaves_no_such_file(frail, number):
    with pytest.raises(pytest_peer.PeerDown) as caught:
        frail.call(crash, number)
    assert not (frail.artifacts / "crash.txt").exists()
    assert caught.value.crash == ""
    assert manifest(frail)["core"] is None


def test_peer_whose_directory_is_gone_does_without(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    shutil.rmtree(peer.artifacts)
    gate.open()
    assert peer.call(os.getpid) == peer.pid


# What the peer sees of it


def variable() -> str | None:
    return os.environ.get("PYTHONFAULTHANDLER")


def test_variable_set_for_the_boot_is_gone_afterwards(peer_factory):
    assert peer_factory(start_method="spawn").call(variable) is None


def test_variable_that_the_user_sets_stays(peer_factory):
    assert peer_factory(env={"PYTHONFAULTHANDLER": "1"}).call(variable) == "1"


# The core


def test_crash_without_a_core_says_why(frail):
    frail.cast(read_nowhere)
    frail.wait_down(LONG)
    told = manifest(frail)["core"]
    assert told is not None and told.startswith("none")
    assert f"core: {told}" in (frail.artifacts / "crash.txt").read_text()


@pytest.mark.skipif(
    not CORE_PATTERN.exists() or CORE_PATTERN.read_text().strip() not in ("core", "core.%p"),
    reason="this system puts cores somewhere else",
)
def test_core_is_moved_to_the_artifacts(peer_factory, tmp_path):
    peer = peer_factory(peer_down="continue", cwd=tmp_path)
    with pytest.raises(pytest_peer.PeerDown, match="in read_nowhere"):
        peer.call(read_nowhere_with_a_core, str(tmp_path))
    core = peer.artifacts / "core"
    assert core.read_bytes()[:4] == b"\x7fELF"
    assert manifest(peer)["core"] == str(core)
    assert not list(tmp_path.glob("core*"))


def test_file_of_the_users_that_has_the_name_of_a_core_stays(peer_factory, tmp_path):
    peer = peer_factory(peer_down="continue", cwd=tmp_path)
    (tmp_path / "core").write_text("mine")
    peer.cast(read_nowhere)
    peer.wait_down(LONG)
    assert (tmp_path / "core").read_text() == "mine"
    assert not (peer.artifacts / "core").exists()
