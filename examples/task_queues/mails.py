"""The code under test: jobs of RQ."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import rq
from redis import Redis

connection: Redis


def connect(socket):
    """Let this process use the Redis that listens at a socket."""
    global connection
    connection = Redis(unix_socket_path=socket)


def work():
    """Run what `rq worker mails` runs."""
    rq.Worker(["mails"], connection=connection).work(logging_level="INFO")


def enqueue(job, *args):
    return rq.Queue("mails", connection=connection).enqueue(job, *args).id


def result_of(job, patience):
    """Wait for the result of a job, and return its type and value."""
    result = rq.job.Job.fetch(job, connection=connection).latest_result(timeout=patience)
    return result and (result.type.name, result.return_value)


def send(name):
    return name, os.getpid()


def send_when_open(gate):
    """Send when someone writes the text into the named pipe."""
    print("waits at the gate", flush=True)
    return Path(gate).read_text()


def crash():
    os.kill(os.getpid(), signal.SIGSEGV)
