"""Celery workers with prefork pools, each in a peer; the broker is a folder.

Shows: an option that prepares a peer (`setup`); a worker on a peer's main thread, where its handlers
of signals work; a pool process that is killed; a graceful end in the middle of a task; two workers
of which one is killed.
"""

from __future__ import annotations

import functools
import os
import signal

import orders
import pytest
from billiard.exceptions import WorkerLostError

PATIENCE = 20  # seconds
pytestmark = pytest.mark.filterwarnings("ignore:You're running the worker with superuser")


@pytest.fixture
def start(peer_factory, tmp_path):
    """Return a function that starts a peer which knows the folder of this test."""
    return lambda name: peer_factory(
        name=name, setup=functools.partial(orders.use_folder, tmp_path)
    )


@pytest.fixture
def shop(start):
    """Return the peer that orders: the configuration of Celery is that of a process."""
    return start("shop")


@pytest.fixture
def start_worker(start):
    """Return a function that starts a worker and waits until it takes tasks."""

    def start_worker(name):
        peer = start(name)
        working = peer.submit(orders.work)
        peer.stderr.wait_for("ready", PATIENCE)
        return peer, working

    return start_worker


def result_of(task, *args):
    return task.delay(*args).get(PATIENCE)


def test_a_task_runs_in_a_process_of_the_pool(shop, start_worker):
    worker, _ = start_worker("worker")
    order, pid = shop.call(result_of, orders.pack, "tea")
    assert order == "tea"
    assert pid not in (worker.pid, shop.pid)


def test_a_task_whose_process_is_killed(shop, start_worker):
    start_worker("worker")
    with pytest.raises(WorkerLostError, match="SIGKILL"):
        shop.call(result_of, orders.crash)
    assert shop.call(result_of, orders.pack, "tea")[0] == "tea"  # by a new process


def test_term_lets_the_task_finish(shop, start_worker, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    worker, working = start_worker("worker")
    shipped = shop.submit(result_of, orders.ship, str(gate))
    worker.stderr.wait_for("waits at the gate", PATIENCE)
    worker.kill(signal.SIGTERM)
    worker.stdout.wait_for("Warm shutdown", PATIENCE)
    gate.write_text("Baker Street")
    assert shipped.result() == "Baker Street"
    working.result(PATIENCE)


def test_another_worker_goes_on(shop, start_worker):
    first, _ = start_worker("first")
    start_worker("second")
    first.kill()
    assert shop.call(result_of, orders.pack, "tea")[0] == "tea"
