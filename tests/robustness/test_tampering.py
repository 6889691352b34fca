"""Code under test patches or exhausts its own process, the origin, while peers live, die and are
stopped."""

from __future__ import annotations

import atexit
import os
import signal
import sys
from unittest import mock

import pytest
from occupations import wait_forever
from processes import assert_gone
from timeouts import LONG

import pytest_peer

WITHOUT_GUARDIAN = (
    "import pytest_peer.launch.forkserver.registry as s; s.unavailable = lambda: 'a test'"
)


def die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def hang_at_exit() -> None:
    atexit.register(wait_forever)


@pytest.fixture
def frozen():
    """As freezegun does it: the clock stands for code that looks it up now."""
    stands = {"return_value": 1.9e9}
    with mock.patch("time.monotonic", **stands), mock.patch("time.time", **stands):
        yield


# Clock


def test_a_call_has_its_time_limit_while_the_clock_stands(peer, frozen):
    with pytest.raises(pytest_peer.CallTimeout):
        peer.call_within(0.1, wait_forever)


def test_peer_hanging_at_exit_is_killed_while_the_clock_stands(peer_factory, frozen):
    peer = peer_factory(shutdown=("halt", 0.2))
    peer.call(hang_at_exit)
    peer.stop()
    assert peer.down_reason.signal == signal.SIGKILL


def test_eventually_has_its_time_limit_while_the_clock_stands(frozen):
    with pytest.raises(AssertionError):
        pytest_peer.eventually(lambda: False, 0.1)


def test_length_of_a_life_ignores_a_clock_that_jumps(mortal, frozen):
    mortal.kill()
    assert float(repr(mortal).rpartition(" after ")[2].split()[0]) < 10_000


def test_death_is_reported_while_the_clock_raises(peer_factory):
    first = peer_factory(peer_down="continue")
    with (
        mock.patch("time.monotonic", side_effect=ZeroDivisionError),
        mock.patch("time.sleep", side_effect=ZeroDivisionError),
    ):
        with pytest.raises(pytest_peer.PeerDown) as caught:
            first.call_within(LONG, die)
        peer_factory().stop()
    assert caught.value.reason.signal == signal.SIGKILL
    assert peer_factory().call_within(LONG, int) == 0


# Threads


def test_death_is_reported_while_threads_are_mocked(mortal):
    with mock.patch("threading.Thread"), pytest.raises(pytest_peer.PeerDown) as caught:
        mortal.call_within(LONG, die)
    assert caught.value.reason.signal == signal.SIGKILL


def test_death_is_reported_while_threads_cannot_be_started(mortal):
    refused = RuntimeError("can't start new thread")
    with (
        mock.patch("threading.Thread.start", side_effect=refused),
        pytest.raises(pytest_peer.PeerDown) as caught,
    ):
        mortal.call_within(LONG, die)
    assert caught.value.reason.signal == signal.SIGKILL


#: From now on no thread starts: no system has so large a stack. pytest may want a thread, too.
NO_MORE_THREADS = """
threading.stack_size(1 << 47)
try:
    threading.Thread(target=print).start()
except RuntimeError:
    print("no more threads")
"""


@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_death_is_reported_without_free_threads(run, start_method):
    said = run(
        f"peer = start(start_method={start_method!r})",
        NO_MORE_THREADS,
        "print(told(peer.call_within, 20, die))",
        "threading.stack_size(0)",
    )
    assert said[0] == "no more threads"
    assert "PeerDown" in said[1]
    assert "killed by SIGKILL" in said[1]


def test_lost_link_is_reported_while_there_are_no_free_threads(run):
    said = run(
        "peer = start()",
        NO_MORE_THREADS,
        "print(told(peer.call_within, 60, os.closerange, 3, 256))",
        "threading.stack_size(0)",
    )
    assert said[0] == "no more threads"
    assert "PeerDown" in said[1]
    assert "link lost" in said[1]


def test_fork_server_death_is_reported_without_free_threads(run):
    said = run(
        "peer = start()",
        NO_MORE_THREADS,
        "print(told(peer.call_within, 20, kill_parent))",
        "threading.stack_size(0)",
        "print(start().call(int))",
    )
    assert said[0] == "no more threads"
    assert "PeerDown" in said[1]
    assert said[2] == "0"


# Ends that other code waits for


IGNORED = "signal.signal(signal.SIGCHLD, signal.SIG_IGN)"
HEARD = """
    def wait():
        while True:
            try: os.wait()
            except ChildProcessError: time.sleep(0.001)
    threading.Thread(target=wait, daemon=True).start()
"""


@pytest.mark.parametrize("others", [IGNORED, HEARD], ids=["ignored", "heard"])
def test_lost_exit_status_of_a_peer_is_not_called_an_exit(run, others):
    said = run(
        WITHOUT_GUARDIAN,
        others,
        """
        peer = start()
        told(peer.call_within, 20, die)
        reason = peer.wait_down(20)
        print(reason.exit_status, reason.signal.name if reason.signal else reason.detail)
    """,
    )
    assert said[0].startswith("None ")
    assert "SIGCHLD" in said[0] or "SIGKILL" in said[0]  # the other waiter may have come first


def test_failed_boot_is_a_boot_error_where_sigchld_is_ignored(run):
    said = run(
        WITHOUT_GUARDIAN,
        IGNORED,
        "print(told(lambda: start(exec=['sh', '-c', 'exit 7'])).partition('(')[0])",
    )
    assert said == ["BootError"]


def test_lost_exit_status_of_a_fork_server_is_no_exit(run):
    said = run(
        IGNORED,
        """
        import psutil
        peer = start()
        reaper, zygote, server = psutil.Process(peer.pid).parents()[:3]
        server.kill()
        print(peer.wait_down(20))
    """,
    )
    assert "exited with status 0" not in said[0]
    assert "SIGCHLD" in said[0]


# Forks that Python knows nothing of


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="macOS: no fork server there")
def test_no_peer_outlives_its_origin_when_c_code_has_forked_that(run):
    said = run("""
        peers = [start(), start(start_method="spawn")]
        child = ctypes.PyDLL(None).fork()
        if child == 0:
            time.sleep(60)
            os._exit(0)
        print(child, *(peer.pid for peer in peers), flush=True)
        os._exit(0)
    """)
    child, *peers = map(int, said[0].split())
    try:
        assert_gone(peers, within=LONG)
    finally:
        os.kill(child, signal.SIGKILL)
