"""Settings of gunicorn, whose hooks tell the test of every worker that begins and that has ended."""

from __future__ import annotations

from pytest_peer import here

workers = 2
control_socket_disable = True


def post_worker_init(worker):
    here.origin.send("began", worker.pid)


def child_exit(arbiter, worker):
    here.origin.send("ended", worker.pid)
