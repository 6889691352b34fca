"""An RQ worker, which forks a process for each job, in a peer; another runs Redis.

Shows: a program that is no Python, in a peer of its own; a worker on a peer's main thread,
where its handlers of signals work; a job that crashes; a graceful end in the middle of a job.
"""

from __future__ import annotations

import functools
import os
import shutil
import signal
import subprocess

import mails
import pytest

PATIENCE = 20  # seconds


@pytest.fixture
def start(peer_factory, tmp_path):
    """Return a function that starts a peer which is connected to a Redis of this test."""
    if not shutil.which("redis-server"):
        give_up = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        give_up("no program redis-server")
    socket = str(tmp_path / "redis.sock")
    command = ["redis-server", "--port", "0", "--unixsocket", socket, "--save", ""]
    server = peer_factory(name="redis", cwd=str(tmp_path))
    server.cast(subprocess.run, command)
    server.stdout.wait_for("eady to accept connections", PATIENCE)
    return lambda name: peer_factory(name=name, setup=functools.partial(mails.connect, socket))


@pytest.fixture
def shop(start):
    return start("shop")


@pytest.fixture
def worker(start):
    return start("worker")


@pytest.fixture(autouse=True)
def working(worker):
    """Return the future of the worker's call, when it takes jobs."""
    working = worker.submit(mails.work)
    worker.stdout.wait_for("Listening on mails", PATIENCE)
    return working


def test_a_job_runs_in_a_process_of_its_own(shop, worker):
    job = shop.call(mails.enqueue, mails.send, "tea")
    how, (name, pid) = shop.call(mails.result_of, job, PATIENCE)
    assert (how, name) == ("SUCCESSFUL", "tea")
    assert pid not in (worker.pid, shop.pid)


def test_a_job_that_crashes(shop, worker):
    job = shop.call(mails.enqueue, mails.crash)
    worker.stdout.wait_for(r"Work-horse terminated unexpectedly; .*\(signal 11\)", PATIENCE)
    assert shop.call(mails.result_of, job, PATIENCE)[0] == "FAILED"
    job = shop.call(mails.enqueue, mails.send, "tea")
    assert shop.call(mails.result_of, job, PATIENCE)[0] == "SUCCESSFUL"


def test_term_lets_the_job_finish(shop, worker, working, tmp_path):
    gate = tmp_path / "gate"
    os.mkfifo(gate)
    job = shop.call(mails.enqueue, mails.send_when_open, str(gate))
    worker.stdout.wait_for("waits at the gate", PATIENCE)
    worker.kill(signal.SIGTERM)
    worker.stdout.wait_for("warm shut down", PATIENCE)
    gate.write_text("with love")
    assert shop.call(mails.result_of, job, PATIENCE) == ("SUCCESSFUL", "with love")
    working.result(PATIENCE)
