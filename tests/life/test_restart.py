"""`restart`: the same handle with a new process."""

from __future__ import annotations

import os
import re
import sys

import pytest
from occupations import wait_forever
from processes import assert_gone
from processes import is_running

import pytest_peer

LIMIT = 20.0  # seconds, of what must come

state_of_module: list[str] = []


def remember(word: str) -> list[str]:
    state_of_module.append(word)
    return state_of_module


def test_restart_returns_the_same_handle_with_a_new_process(peer):
    old = peer.pid
    assert peer.restart() is peer
    assert peer.call(os.getpid) == peer.pid != old
    assert not is_running(old)
    assert peer.state == "running"


def test_restart_keeps_name_and_options(peer_factory):
    peer = peer_factory(name="db", env={"A": "1"})
    peer.restart()
    assert peer.name == "db"
    assert peer.call(os.getenv, "A") == "1"


def test_restart_takes_changes(peer_factory):
    peer = peer_factory(env={"A": "1"})
    peer.restart(env={"A": "2"})
    assert peer.call(os.getenv, "A") == "2"


def test_restart_keeps_the_changes_of_an_earlier_one(peer):
    peer.restart(env={"A": "2"})
    peer.restart()
    assert peer.call(os.getenv, "A") == "2"


@pytest.mark.parametrize("change", [{"cwd": "/no/such/directory"}, {"colour": "red"}])
def test_restart_with_a_bad_change_leaves_the_peer_alone(peer, change):
    old = peer.pid
    with pytest.raises((TypeError, ValueError), match=next(iter(change))):
        peer.restart(**change)
    assert peer.call(os.getpid) == old


@pytest.mark.parametrize("end", ["stop", "kill"])
def test_restart_after(peer, end):
    getattr(peer, end)()
    peer.restart()
    assert peer.call(os.getpid) == peer.pid
    assert peer.down_reason is None


def test_restart_after_an_unasked_death(mortal):
    mortal.cast(os._exit, 3)
    mortal.wait_down(LIMIT)
    mortal.restart()
    assert mortal.call(os.getpid) == mortal.pid
    assert mortal.down_reason is None


def test_restart_of_a_paused_peer(peer_factory):
    peer = peer_factory(shutdown=0.2)
    peer.pause()
    peer.restart()
    assert peer.call(os.getpid) == peer.pid


def test_restart_while_booting(peer_factory, gate):
    peer = peer_factory(exec=gate.launcher(), wait_boot=False)
    peer.restart(exec=sys.executable, wait_boot=LIMIT)
    assert peer.call(os.getpid) == peer.pid


def test_restart_that_fails_leaves_the_peer_down(peer):
    with pytest.raises(pytest_peer.BootError):
        peer.restart(args=["--no-such-option"])
    assert peer.state == "down"
    assert peer.down_reason.kind == "boot failed"


def test_restart_with_a_missing_program_leaves_the_peer_down(peer):
    with pytest.raises(pytest_peer.ExecNotFound):
        peer.restart(exec="no-such-program-anywhere")
    assert peer.state == "down"


def test_restart_may_be_tried_again_after_it_failed(peer):
    with pytest.raises(pytest_peer.BootError):
        peer.restart(args=["--no-such-option"])
    peer.restart(args=[])
    assert peer.call(os.getpid) == peer.pid


def test_restart_loses_the_state_of_modules(peer):
    assert peer.call(remember, "one") == ["one"]
    assert peer.call(remember, "two") == ["one", "two"]
    peer.restart()
    assert peer.call(remember, "three") == ["three"]


def test_restart_begins_the_output_anew(peer):
    peer.call(print, "before")
    peer.restart()
    peer.call(print, "after")
    assert peer.stdout.text == "after\n"


def test_restart_begins_numbered_artifacts(peer):
    first = peer.artifacts
    peer.restart()
    second = peer.artifacts
    peer.restart()
    assert second == first.with_name(f"{first.name}.2")
    assert peer.artifacts == first.with_name(f"{first.name}.3")
    assert all((path / "manifest.json").exists() for path in (first, second, peer.artifacts))


def test_restart_keeps_a_member_of_its_group(peer_factory):
    group = peer_factory.many(2)
    group[1].kill()
    group[1].restart()
    assert group.call(os.getpid) == [peer.pid for peer in group]


def test_call_pending_at_a_restart_fails(peer):
    answer = peer.submit(wait_forever)
    peer.restart()
    with pytest.raises(pytest_peer.PeerDown):
        answer.result(LIMIT)


def test_restarted_peer_ends_with_its_factory(pytester):
    pytester.makepyfile(
        """
        def test_restart(peer):
            peer.restart()
            print("pid", peer.pid)
        """
    )
    result = pytester.runpytest_subprocess("-s")
    result.assert_outcomes(passed=1)
    (pid,) = re.findall(r"pid (\d+)", result.stdout.str())
    assert_gone([int(pid)], within=0)
