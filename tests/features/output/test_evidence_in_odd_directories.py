"""Crash, stacks and manifest, where the name of a directory is not text in the locale."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest
from timeouts import LONGER

from pytest_peer import PeerDown

ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}

TESTS = """
import json, os, signal, time
import pytest
from pytest_peer import CallTimeout, PeerDown, here

def manifest(peer):
    return json.loads((peer.artifacts / "manifest.json").read_text(encoding="utf-8"))

@pytest.mark.peer(peer_down="continue")
def test_crash(peer):
    with pytest.raises(PeerDown) as caught:
        peer.call(signal.raise_signal, signal.SIGSEGV)
    assert "Segmentation" in caught.value.crash
    assert "core: " in (peer.artifacts / "crash.txt").read_text("utf-8")
    assert manifest(peer)["state"] == "down"

def test_stacks(peer):
    with pytest.raises(CallTimeout):
        peer.call_within(0.1, time.sleep, 60)
    assert "a call timed out" in (peer.artifacts / "stacks.txt").read_text("utf-8")
    assert manifest(peer)["cwd"] == os.getcwd() == peer.call(os.getcwd)

def fail():
    here.origin.send(os.getcwd(), os.getcwd())
    raise ValueError(os.getcwd())

def test_messages(peer, peer_factory):
    with pytest.raises(ValueError) as caught:
        peer.call(fail)
    assert peer_factory.mailbox(os.getcwd()).get(5) == caught.value.args[0] == os.getcwd()
"""


@pytest.fixture(params=["caf\udce9", "café"])
def directory(request, pytester, inner, monkeypatch):
    """A directory that is not text in the encoding of the locale: in UTF-8, or in ASCII."""
    directory = pytester.path / request.param
    directory.mkdir()
    for name, value in (ASCII if request.param == "café" else {"LC_ALL": "C.UTF-8"}).items():
        monkeypatch.setenv(name, value)
    return directory


def output_of_pytest(cwd, *words):
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", *words],
        cwd=cwd,
        stdout=subprocess.PIPE,
        timeout=LONGER,
        check=False,
    )
    return ended.stdout.decode("utf-8", "backslashreplace")


@pytest.mark.parametrize("method", ["forkserver", "spawn"])
def test_all_of_it_is_written(directory, method):
    (directory / "test_it.py").write_text(TESTS)
    output = output_of_pytest(directory, "--basetemp=temp", f"--peer-start-method={method}")
    assert "3 passed" in output
    assert "ThreadExceptionWarning" not in output


def test_stacks_are_written_below_the_name_of_a_failed_test(directory):
    test = "def test_it(peer): peer.submit('time:sleep', 60); assert False"
    (directory / "test_it.py").write_text(test)
    root = directory.parent
    output = output_of_pytest(root, f"--rootdir={root}", directory.name, "--basetemp=temp")
    assert "1 failed" in output
    (stacks,) = root.glob("temp/test_it0/peers/*/stacks.txt")
    assert "test_it.py::test_it failed in call" in stacks.read_text("utf-8")


def test_crash_of_a_peer_with_another_locale(peer_factory, tmp_path):
    peer = peer_factory(artifacts=tmp_path / "café", env=ASCII)
    with peer.expect_death(), pytest.raises(PeerDown) as caught:
        peer.call("signal:raise_signal", signal.SIGSEGV)
    assert "Segmentation" in caught.value.crash
