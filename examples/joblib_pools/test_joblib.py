"""Pools of joblib in peers.

Shows: a pool that a call leaves open; what its processes print; a process of the pool that crashes;
shared arrays; a peer that is killed while its pool works.
"""

from __future__ import annotations

import os

import psutil
import pytest
import squares
from joblib.externals.loky.process_executor import TerminatedWorkerError

from pytest_peer import eventually

PATIENCE = 20  # seconds


@pytest.mark.parametrize("backend", ["loky", "multiprocessing"])
def test_a_pool_has_processes_of_its_own(peer, backend):
    found = peer.call(squares.squares, 4, backend=backend)
    assert [value for value, _ in found] == [0, 1, 4, 9]
    assert peer.pid not in {pid for _, pid in found}
    peer.stdout.wait_for("squares 3", PATIENCE)


def test_two_peers_have_two_pools(peer_factory):
    first, second = peer_factory.many(2).call(squares.squares, 2)
    assert not {pid for _, pid in first} & {pid for _, pid in second}


def test_arrays_are_shared(peer, tmp_path):
    assert peer.call(squares.totals, tmp_path) == [("memmap", 1000.0)] * 4


def test_a_crash_in_the_pool(peer):
    with pytest.raises(TerminatedWorkerError, match="SIGSEGV"):
        peer.call(squares.crashes)
    assert peer.call(squares.squares, 2)[1][0] == 1  # by a new pool


def test_the_pool_dies_with_its_peer(peer, tmp_path):
    gate = tmp_path / "gate"
    shared = tmp_path / "shared"
    os.mkfifo(gate)
    peer.cast(squares.totals, shared, gate)
    with open(gate, "w"):  # which waits for a process of the pool
        pool = psutil.Process(peer.pid).children(recursive=True)
        assert list(shared.iterdir())
        peer.kill()
        assert not any(process.is_running() for process in pool)
    eventually(lambda: not list(shared.iterdir()), PATIENCE)
