"""A worker of a Dask cluster is cut off: the other one takes over; then it comes back.

Shows: coroutine functions that go on between the calls; `isolate`; a call that is under way when
the network is cut (`submit`).
"""

from __future__ import annotations

import cluster

from pytest_peer import Peer, eventually

SOON = 30  # seconds


def wait_for_workers(scheduler: Peer, *workers: Peer) -> None:
    hosts = {worker.host for worker in workers}
    eventually(lambda: scheduler.call(cluster.workers) == hosts, SOON)


def test_the_other_worker_takes_over(peer_network):
    scheduler, client = (peer_network(name=name, tcp="fast") for name in ("scheduler", "client"))
    workers = peer_network.many(2, name="worker", tcp="fast")
    scheduler.call(cluster.schedule)
    workers.cast(cluster.work, scheduler.host)
    wait_for_workers(scheduler, *workers)
    client.call(cluster.connect, scheduler.host)
    assert client.call(cluster.where, 20) == {worker.host for worker in workers}

    lost, other = workers
    client.call(cluster.keep_on, lost.host)
    assert client.call(cluster.kept_on) == lost.host
    with peer_network.isolate(lost):
        moved = client.submit(cluster.where, 20)
        wait_for_workers(scheduler, other)
        assert moved.result(SOON) == {other.host}
        assert client.call(cluster.kept_on) == other.host  # computed anew

    wait_for_workers(scheduler, *workers)
    assert client.call(cluster.where, 20) == {worker.host for worker in workers}
