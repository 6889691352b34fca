"""`exec` names other interpreters, or programs that start one."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from manifests import manifest
from processes import assert_gone
from pythons import NEWEST
from timeouts import LONGER

import pytest_peer

# Interpreters


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", NEWEST])
def test_other_python_boots_and_answers(peer_factory, requires_python, version):
    peer = peer_factory(exec=requires_python(version))
    assert peer.python[:2] == tuple(map(int, version.split(".")))
    assert peer.call("platform:python_version") == ".".join(map(str, peer.python))
    assert peer.call(os.getpid) == peer.pid


@pytest.mark.parametrize("version", ["3.8", "3.9", "3.10", "3.11", "3.12", NEWEST])
def test_other_python_stops_by_itself(peer_factory, requires_python, version):
    peer = peer_factory(exec=requires_python(version))
    peer.stop()
    assert peer.down_reason.exit_status == 0


def test_same_prefix_without_site_is_another_environment(tmp_path):
    """As in a virtual environment of Python 3.14; without one, in any version."""
    base = Path(getattr(sys, "_base_executable", sys.executable))
    program = f"""
import sys, sysconfig
installed = sysconfig.get_path("purelib")
sys.path += {[entry for entry in sys.path if entry]!r} + [installed]
import pytest_peer
for args in ([], ["-S"]):
    with pytest_peer.start(args=args, artifacts={str(tmp_path)!r}) as peer:
        print(installed in peer.call("builtins:eval", "__import__('sys').path"))
"""
    ended = subprocess.run([base, "-c", program], capture_output=True, text=True, timeout=LONGER)
    assert (ended.stdout.split(), ended.stderr) == (["True", "False"], "")


@pytest.mark.parametrize("version", ["3.8", "3.11", "3.12", NEWEST])
def test_path_travels_to_another_python_and_back(peer_factory, requires_python, version):
    peer = peer_factory(exec=requires_python(version))
    path = Path("/a/b")
    assert peer.call(os.fspath, path) == "/a/b"
    assert peer.call("operator:truediv", path, "c") == Path("/a/b/c")
    with pytest.raises(ValueError, match="PosixPath") as caught:
        peer.call("builtins:exec", "import pathlib\nraise ValueError(pathlib.Path('PosixPath'))")
    assert caught.value.args == (Path("PosixPath"),)


# Launchers


def test_exec_may_be_a_path(peer_factory):
    peer = peer_factory(exec=Path(sys.executable))
    assert peer.call(os.getpid) == peer.pid


def test_exec_may_be_a_program_with_arguments(peer_factory):
    peer = peer_factory(exec=["env", "A=1", sys.executable])
    assert peer.call(os.getenv, "A") == "1"


def test_exec_may_be_a_program_that_changes_the_process(peer_factory):
    peer = peer_factory(exec=["nice", "-n", "3", sys.executable])
    assert peer.call(os.nice, 0) == os.nice(0) + 3


def test_launcher_that_becomes_the_peer_has_its_pid(peer_factory, program):
    peer = peer_factory(exec=[program('exec "$@"'), sys.executable])
    assert peer.call(os.getpid) == peer.pid == manifest(peer)["launcher_pid"]


@pytest.fixture
def launched(peer_factory, program) -> pytest_peer.Peer:
    """A peer whose launcher stays as its parent."""
    return peer_factory(exec=[program('"$@"; exit $?'), sys.executable])


def test_launcher_that_stays_is_the_parent_of_the_peer(launched):
    launcher = launched.call(os.getppid)
    assert launcher == manifest(launched)["launcher_pid"]
    assert launched.call(os.getpid) == launched.pid != launcher


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_launcher_that_stays_ends_with_the_peer_by(launched, end):
    pids = [launched.call(os.getppid), launched.pid]
    getattr(launched, end)()
    assert_gone(pids, within=0)


def test_signal_reaches_the_peer_behind_a_launcher_that_stays(launched):
    launched.call(signal.signal, signal.SIGUSR1, signal.SIG_IGN)
    launched.kill(signal.SIGUSR1)  # would end the launcher
    assert launched.call(os.getpid) == launched.pid


def test_banner_of_a_launcher_is_shown_as_output(peer_factory, program):
    peer = peer_factory(exec=[program('echo banner; exec "$@"'), sys.executable])
    assert peer.stdout.text == "banner\n"
    assert peer.call(os.getpid) == peer.pid
