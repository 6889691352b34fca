"""The code under test: a scheduler, workers and a client of Dask, each in a process of its own.

Coroutine functions run on a peer's event loop, which goes on between the calls.
"""

from __future__ import annotations

import socket

import dask
from distributed import Client, Future, Scheduler, Worker, wait

PORT = 8786

# How often the scheduler looks for silent workers. One is lost after ten heartbeats: 5 seconds.
dask.config.set({"distributed.scheduler.worker-ttl": "500ms"})

scheduler: Scheduler
client: Client
kept: Future


async def schedule() -> None:
    global scheduler
    scheduler = await Scheduler(port=PORT, dashboard=False)


async def work(host: str) -> None:
    """Be a worker, and another one each time when the scheduler has given up the last."""
    while True:
        async with Worker(f"tcp://{host}:{PORT}", name=socket.gethostname(), nthreads=1) as worker:
            await worker.finished()


async def connect(host: str) -> None:
    global client
    client = await Client(f"tcp://{host}:{PORT}", asynchronous=True)


def workers() -> set[str]:
    """Return the names of the workers, as the scheduler knows them."""
    return {worker.name for worker in scheduler.workers.values()}


async def where(tasks: int) -> set[str]:
    """Run so many tasks, and return the hosts on which they ran."""
    futures = client.map(lambda _: socket.gethostname(), range(tasks), pure=False)
    return set(await client.gather(futures))


async def keep_on(host: str) -> None:
    """Let a worker compute the name of its host, and keep it in its memory."""
    global kept
    kept = client.submit(socket.gethostname, workers=[host], allow_other_workers=True, pure=False)
    await wait(kept)


async def kept_on() -> str:
    """Return the name that is kept; if its worker is lost, another computes it anew."""
    return await kept
