"""A network ends with its test, its process or its origin, whatever kills them; and a test is told."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

import pytest
from processes import assert_gone

from pytest_peer import eventually

#: In modules of tests: finds the process that holds the network, and kills it.
HELPERS = """
import psutil

def holder():
    below = psutil.Process().children(recursive=True)
    return next(each for each in below if each.cmdline()[-1].startswith("network-"))

def kill_holder():
    process = holder()
    process.send_signal(signal.SIGKILL)
    process.wait(20)

def note_namespaces(*pids):
    with open("namespaces", "a") as file:
        for pid in pids:
            print(os.stat(f"/proc/{pid}/ns/net").st_ino, file=file, flush=True)

def die_of(peer_network):
    pair = peer_network.many(2)
    note(*pair)
    note_namespaces(holder().pid, *(peer.pid for peer in pair))
    with open("holder", "w") as file:
        file.write(str(holder().pid))
    with peer_network.partition(*pair):
        os.kill(os.getpid(), signal.SIGKILL)
"""
GONE = "*PeerDown: the network is gone, its hosts reach nobody: its process (pid *) is down: killed by SIGKILL"


@pytest.mark.parametrize(
    "verb",
    [
        "peer_network.cut(a, b)",
        "peer_network()",
        "peer_network.connect(a, 80)",
        "hold.packets",
        "hold.heal()",
    ],
)
def test_next_verb_says_that_the_network_is_gone(inner, verb):
    inner.write(
        HELPERS
        + f"""
def test_it(peer_network):
    a, b = peer_network.many(2)
    hold = peer_network.hold(a, b)
    kill_holder()
    {verb}
    assert 0, "not here"
"""
    )
    result = inner.run()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([GONE, "its process has ended: no packet passes"])
    result.stdout.no_fnmatch_line("*not here*")


def test_test_that_waits_fails_at_once(inner):
    inner.write(
        HELPERS
        + """
def test_it(peer_network):
    a, b = peer_network.many(2)
    kill_holder()
    time.sleep(600)
"""
    )
    result = inner.run_apart()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([GONE])


def test_switch_that_fails_ends_the_network(inner):
    inner.write(
        """
from network_sabotage import sabotage

def test_it(peer_network):
    a, b = peer_network.many(2)
    sabotage(peer_network, "break_switch")
    time.sleep(600)
"""
    )
    result = inner.run_apart()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*PeerDown: the network is gone,*", "*ZeroDivisionError*"])


def test_loss_that_the_test_has_caught_fails_it(inner):
    inner.write(
        HELPERS
        + """
from pytest_peer import PeerDown

def test_it(peer_network):
    a, b = peer_network.many(2)
    kill_holder()
    with pytest.raises(PeerDown):
        peer_network.cut(a, b)
"""
    )
    result = inner.run()
    outcomes = result.parseoutcomes()
    assert outcomes.get("failed", 0) + outcomes.get("errors", 0) == 1
    result.stdout.fnmatch_lines([GONE])


def test_loss_behind_the_body_is_told_too(inner):
    inner.write(
        HELPERS
        + """
@pytest.fixture
def killed(peer_network):
    yield
    kill_holder()

def test_it(peer_network, killed):
    peer_network()
"""
    )
    result = inner.run()
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines([GONE])


def test_next_test_has_a_network_again(inner):
    inner.write(
        HELPERS
        + """
def test_lost(peer_network):
    kill_holder()
    peer_network()

def test_next(peer_network):
    a, b = peer_network.many(2)
    with peer_network.partition([a], [b], expect_hits=False):
        pass
"""
    )
    inner.run("-p", "no:randomly").assert_outcomes(failed=1, passed=1)


def test_crash_is_not_told_as_a_fault_without_hits(inner):
    inner.write(
        """
def test_it(peer_network, peer_factory):
    a, b = peer_network.many(2)
    peer_network.cut(a, b)
    peer = peer_factory(peer_down="crash")
    peer.cast(os.kill, peer.pid, signal.SIGSEGV)
    time.sleep(600)
"""
    )
    result = inner.run_apart()
    result.stdout.fnmatch_lines(["*PeerDown: *killed by SIGSEGV*"])
    result.stdout.no_fnmatch_line("*touched no packet*")


def test_origin_that_is_killed_leaves_nothing(inner):
    inner.write(HELPERS + "\ndef test_it(peer_network):\n    die_of(peer_network)\n")
    inner.run_apart()
    assert_network_gone(inner)


def test_worker_that_is_killed_leaves_nothing(inner):
    inner.write(HELPERS + "\ndef test_it(peer_network):\n    die_of(peer_network)\n")
    result = inner.run_apart("-n", "1", "--max-worker-restart=0")
    result.stdout.fnmatch_lines(["*worker 'gw0' crashed*"])
    assert_network_gone(inner)


def assert_network_gone(inner):
    """No process is left, and no namespace, in which the interfaces and mounts were."""
    inner.assert_nothing_left(10)
    assert_gone([int((inner.path / "holder").read_text())], 10)
    inodes = {int(line) for line in (inner.path / "namespaces").read_text().split()}
    assert len(inodes) == 3  # the holder's, and that of each peer

    def gone():
        assert not inodes & namespaces_in_use()

    eventually(gone, 10)


def namespaces_in_use():
    found = set()
    for task in Path("/proc").glob("[0-9]*/task/*/ns/net"):
        with contextlib.suppress(OSError):
            found.add(os.stat(task).st_ino)
    return found
