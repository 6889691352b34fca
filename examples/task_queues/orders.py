"""The code under test: tasks of Celery, with a broker and results in a folder."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from celery import Celery
from celery.utils.log import get_task_logger

app = Celery("orders", broker="filesystem://")
log = get_task_logger(__name__)


def use_folder(folder):
    """Let this process use the broker and the results in a folder."""
    for name in ("queue", "results"):
        (folder / name).mkdir(exist_ok=True)
    app.conf.update(
        broker_transport_options={
            "data_folder_in": str(folder / "queue"),
            "data_folder_out": str(folder / "queue"),
            "control_folder": str(folder / "control"),
            "polling_interval": 0.1,
        },
        worker_lost_wait=0.5,  # 10 s pass otherwise before the loss of a process is reported
        result_backend=(folder / "results").as_uri(),
    )


def work():
    """Run what `celery -A orders worker --concurrency 2` runs."""
    app.worker_main(["worker", "--concurrency=2", "--loglevel=INFO", "--without-gossip"])


@app.task
def pack(order):
    return order, os.getpid()


@app.task
def ship(gate):
    """Ship when someone writes the address into the named pipe."""
    log.info("waits at the gate")
    return Path(gate).read_text()


@app.task
def crash():
    os.kill(os.getpid(), signal.SIGKILL)
