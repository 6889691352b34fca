"""`stop` returns in time, whatever the peer does."""

from __future__ import annotations

import gc
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from inner_pytest import load_only
from occupations import sleep_in_c, wait_forever
from occupied_peers import BOOTING, OCCUPATIONS, occupied
from paths import SUPPORT
from process_ends import Watched
from processes import assert_gone
from timeouts import LONGER

import pytest_peer

pytestmark = pytest.mark.skipif(
    sys.platform != "linux", reason="processes are watched by their descriptors"
)

#: Of a stop that kills after `HALT`; on a busy machine.
RETURNS = 15.0
HALT = 0.3
METHODS = ["forkserver", "spawn"]


# Whatever it does


class Stopped:
    """A peer for each occupation; each was stopped by two threads at once, and then once more."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.left: dict[str, list[str]] = {}
        self.kinds: dict[str, str] = {}


@pytest.fixture(scope="module")
def stopped(request, tmp_path_factory) -> Stopped:
    shutdown, method = request.param
    place = tmp_path_factory.mktemp("site")
    result = Stopped()
    options = {"shutdown": shutdown, "artifacts": tmp_path_factory.mktemp("peers")}
    peers = occupied(pytest_peer.start, method, place, **options)

    def stop(name: str) -> None:
        began = time.monotonic()
        peer, _ = peers[name]
        with ThreadPoolExecutor(2) as pool:
            list(pool.map(lambda _: peer.stop(), range(2)))
        peer.stop()
        result.seconds[name] = time.monotonic() - began

    everyone = [pid for _, pids in peers.values() for pid in pids]
    with Watched(everyone) as watched, ThreadPoolExecutor(len(peers)) as pool:
        list(pool.map(stop, peers, timeout=LONGER))
        for peer, _ in peers.values():
            peer.wait_down(LONGER)
        watched.wait(RETURNS if shutdown == "close" else 0)
        for name, (peer, pids) in peers.items():
            result.left[name] = watched.left(pids)
            result.kinds[name] = peer.wait_down(LONGER).kind
    return result


SHUTDOWNS = {"halt": ("halt", HALT), "graceful": HALT, "close": "close"}
#: A peer ends by itself in the same way however it was started; only killing differs.
STOPS = [("halt", "forkserver"), ("halt", "spawn"), ("graceful", "forkserver"), ("close", "spawn")]


def stops(*methods: str):
    return pytest.mark.parametrize(
        "stopped",
        [
            pytest.param((SHUTDOWNS[shutdown], method), id=f"{shutdown}-{method}")
            for shutdown, method in STOPS
            if method in methods
        ],
        indirect=True,
    )


@stops(*METHODS)
@pytest.mark.parametrize("occupation", OCCUPATIONS)
def test_stop_of_a_peer(stopped, occupation, record_property):
    assert stopped.seconds[occupation] < RETURNS
    assert stopped.left[occupation] == []
    assert stopped.kinds[occupation] == "stopped"
    record_property("seconds", stopped.seconds[occupation])


@stops("spawn")  # a forked one cannot be held
def test_stop_of_a_peer_that_hangs_in_its_boot(stopped):
    assert stopped.seconds[BOOTING] < RETURNS
    assert stopped.left[BOOTING] == []
    assert stopped.kinds[BOOTING] == "stopped"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("after", [0, 0.0005, 0.001, 0.002, 0.004, 0.01])
def test_stop_at_any_moment_of_a_boot(peer_factory, method, after):
    peer = peer_factory(start_method=method, wait_boot=False)
    answer = peer.submit(os.getpid)
    time.sleep(after)
    peer.stop()
    assert peer.down_reason.kind == "stopped"
    if answer.exception(LONGER) is not None:
        with pytest.raises(pytest_peer.PeerDown):
            answer.result(LONGER)
    if peer.pid is not None:
        assert_gone([peer.pid], within=0)


# Wherever it is called


class Owner:
    """Its finalizer stops its peer."""

    def __init__(self, peer: pytest_peer.Peer) -> None:
        self.peer = peer
        self.itself = self  # the collector finds it, whenever that comes

    def __del__(self) -> None:
        self.peer.stop()


@pytest.mark.parametrize("busy", [None, wait_forever, sleep_in_c])
def test_stop_in_a_finalizer(peer_factory, busy):
    peer = peer_factory(shutdown=("halt", HALT))
    if busy is not None:
        peer.cast(busy)
        peer.stdout.wait_for("waiting", LONGER)
    owner = Owner(peer)
    del owner
    gc.collect()
    assert_gone([peer.pid], within=0)


@pytest.fixture
def eager_collector():
    """Let the collector look at all objects often; it does not at those that were there before."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(700, 1, 1)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


def test_stop_in_a_finalizer_that_comes_in_the_middle_of_calls(eager_collector, peer_factory):
    busy, others = peer_factory(), [peer_factory() for _ in range(3)]
    gone = [other.pid for other in others]
    owners = [Owner(other) for other in others]
    while any(other.state == "running" for other in others):
        if owners:
            owners.pop()
        busy.call(list, [[] for _ in range(1000)])  # the collector counts these
    assert_gone(gone, within=0)


def test_stop_in_the_handler_of_a_signal_that_comes_in_a_call(peer_factory):
    peer = peer_factory()
    before = signal.signal(signal.SIGUSR1, lambda *_: peer.stop())
    try:
        answer = peer.submit(wait_forever)
        peer.stdout.wait_for("waiting", LONGER)
        with ThreadPoolExecutor() as pool:
            pool.submit(os.kill, os.getpid(), signal.SIGUSR1)
            with pytest.raises(pytest_peer.PeerDown, match="stopped"):
                peer.call_within(LONGER, wait_forever)
        with pytest.raises(pytest_peer.PeerDown, match="stopped"):
            answer.result(LONGER)
    finally:
        signal.signal(signal.SIGUSR1, before)


# At the end of the interpreter

PROGRAM = """
import atexit, os, sys, threading, weakref
import occupations, pytest_peer
from test_stop_never_hangs import Owner

idle, busy, stuck, paused = peers = [pytest_peer.start(shutdown=("halt", 0.3)) for _ in range(4)]
for peer, occupation in (busy, occupations.loop), (stuck, occupations.sleep_in_c):
    peer.cast(occupation)
    peer.stdout.wait_for("waiting", 40)
paused.pause()
print(*(peer.pid for peer in peers), flush=True)

def stop():
    for peer in peers:
        peer.stop()

def call():
    try:
        idle.call_within(None, occupations.wait_forever)
    except pytest_peer.PeerDown:
        pass
"""

ENDS = {
    "exit handler": "atexit.register(stop)",
    "finalizer of a global": "owners = [Owner(peer) for peer in peers]",
    "weakref.finalize": "weakref.finalize(idle, stop)",
    "daemon thread in a call": "threading.Thread(target=call, daemon=True).start()",
    "thread that stops": "threading.Thread(target=lambda: (threading.main_thread().join(), stop())).start()",
    "pending future": "future = busy.submit(occupations.wait_forever)",
}


@pytest.mark.parametrize("end", ENDS)
def test_stop_at_the_end_of_the_interpreter(tmp_path, end, record_property):
    with subprocess.Popen(
        [sys.executable, "-c", PROGRAM + ENDS[end]],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={
            **os.environ,
            "PYTHONPATH": f"{SUPPORT}:{Path(__file__).parent}",
            "TMPDIR": str(tmp_path),
        },
        text=True,
    ) as process:
        try:
            told = process.stdout.readline()
            began = time.monotonic()
            with Watched(map(int, told.split())) as watched:
                _, errors = process.communicate(timeout=LONGER)
                watched.wait(0)
                assert watched.left(watched.words) == []
            record_property("seconds", time.monotonic() - began)
            assert (process.returncode, errors) == (0, "")
        finally:
            process.kill()


# Many

FAILING = """
import time
from occupations import start_subprocess, wait_forever

def test_it(peer_factory):
    group = peer_factory.many(50)
    children = group.call(start_subprocess)
    group.cast(wait_forever)
    with open("pids", "w") as file:
        print(*(peer.pid for peer in group), *sum(children, []), file=file)
    assert False
"""


def test_fifty_peers_of_a_failed_test(pytester, monkeypatch, record_property):
    load_only(monkeypatch, "peer")
    monkeypatch.setenv("PYTHONPATH", str(SUPPORT))
    pytester.makepyfile(FAILING)
    result = pytester.runpytest_subprocess("--durations=0", "-vv", timeout=LONGER)
    result.assert_outcomes(failed=1)
    pids = [int(pid) for pid in (pytester.path / "pids").read_text().split()]
    assert len(pids) == 150
    assert_gone(pids, within=0)
    (seconds,) = re.findall(r"([\d.]+)s teardown ", result.stdout.str())
    record_property("seconds", float(seconds))
    assert float(seconds) < RETURNS
