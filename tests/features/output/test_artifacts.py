"""Each peer has a directory of artifacts."""

from __future__ import annotations

import json
import os
import sys

import pytest
from manifests import manifest


def talk() -> None:
    print("to stdout")
    print("to stderr", file=sys.stderr)


def write_bytes() -> None:
    os.write(1, b"caf\xe9")


def test_they_are_below_tmp_path_under_the_name(peer, tmp_path):
    assert peer.artifacts == tmp_path / "peers" / peer.name
    assert peer.artifacts.is_dir()


def test_logs_have_the_output(peer):
    peer.call(talk)
    assert (peer.artifacts / "stdout.log").read_text() == "to stdout\n"
    assert (peer.artifacts / "stderr.log").read_text() == "to stderr\n"


def test_logs_have_the_bytes_that_were_written(peer):
    peer.call(write_bytes)
    assert (peer.artifacts / "stdout.log").read_bytes() == b"caf\xe9"


def test_same_name_again_gets_a_numbered_directory(peer_factory, tmp_path):
    first = peer_factory(name="db")
    first.call(print, "first")
    first.stop()
    second = peer_factory(name="db")
    assert second.artifacts == tmp_path / "peers" / "db.2"
    assert (first.artifacts / "stdout.log").read_text() == "first\n"


def test_option_puts_them_elsewhere(peer_factory, tmp_path):
    peer = peer_factory(name="db", artifacts=tmp_path / "elsewhere")
    assert peer.artifacts == tmp_path / "elsewhere" / "db"


def test_they_stay_after_the_peer(peer):
    peer.stop()
    assert sorted(path.name for path in peer.artifacts.iterdir()) >= [
        "manifest.json",
        "stderr.log",
        "stdout.log",
    ]


def test_failed_boot_leaves_them(peer_factory, tmp_path):
    with pytest.raises(RuntimeError):
        peer_factory(name="db", args=["--no-such-option"])
    place = tmp_path / "peers" / "db"
    assert "--no-such-option" in (place / "stderr.log").read_text()
    told = json.loads((place / "manifest.json").read_text())
    assert (told["state"], told["kind"], told["exit_status"]) == ("down", "boot failed", 2)


@pytest.mark.parametrize("scope", ["class", "module", "package", "session"])
def test_wider_scopes_have_a_directory_named_after_them(inner, scope):
    inner.write(
        f"""
        def test_it({scope}_peer_factory, tmp_path_factory):
            peer = {scope}_peer_factory(name="db")
            base = tmp_path_factory.getbasetemp()
            assert any(part.startswith({scope!r}) for part in peer.artifacts.relative_to(base).parts)
            assert peer.artifacts.name == "db"
        """
    )
    inner.run().assert_outcomes(passed=1)


# The manifest

KEYS = [
    "name",
    "node",
    "argv",
    "env",
    "cwd",
    "options",
    "python",
    "pid",
    "launcher_pid",
    "start_method",
    "started",
    "ended",
    "state",
    "last_state",
    "kind",
    "exit_status",
    "signal",
    "core",
]


def test_manifest_has_all_its_keys_while_it_runs_and_afterwards(peer):
    assert set(manifest(peer)) >= set(KEYS)
    peer.stop()
    assert set(manifest(peer)) >= set(KEYS)


def test_manifest_has_the_command_line(peer_factory, tmp_path):
    peer = peer_factory(
        name="db", host="here", args=["-O"], env={"A": "1", "B": None}, cwd=tmp_path
    )
    told = manifest(peer)
    assert told["name"] == "db"
    assert told["node"] == "db@here"
    assert told["argv"][:2] == [sys.executable, "-O"]
    assert told["env"] == {"A": "1", "B": None}
    assert told["cwd"] == str(tmp_path)
    assert told["options"]["args"] == ["-O"]
    assert told["start_method"] == "spawn"
    assert told["pid"] == told["launcher_pid"] == peer.pid
    assert ".".join(map(str, peer.python)) in told["python"]


def test_manifest_has_the_pids_of_peer_and_launcher(peer_factory):
    stays = '"$@"; exit $?'
    peer = peer_factory(exec=["/bin/sh", "-c", stays, "launcher", sys.executable])
    told = manifest(peer)
    assert told["pid"] == peer.pid
    assert told["launcher_pid"] == peer.call(os.getppid)


def test_manifest_does_not_tell_the_inherited_environment(peer, monkeypatch):
    assert manifest(peer)["env"] == {}
