"""A peer for every occupation, all started at once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import occupations
from timeouts import LONGER

import pytest_peer

#: Imported by an interpreter when it starts.
HANGS = "import os, time\nprint(os.getpid(), flush=True)\ntime.sleep(600)\n"


@dataclass(frozen=True)
class Occupation:
    #: Called in the peer; may return the ids of processes that it started.
    prepare: Callable[[], list[int] | None] | None = None
    #: Then cast: does not return.
    busy: Callable[[], None] | None = None
    paused: bool = False
    terminal: bool = False


OCCUPATIONS = {
    "idle": Occupation(),
    "looping": Occupation(busy=occupations.loop),
    "sleeping": Occupation(busy=occupations.sleep),
    "in_signal.pause": Occupation(busy=occupations.await_signal),
    "ignoring_signals": Occupation(occupations.ignore_signals, occupations.sleep),
    "swallowing_KeyboardInterrupt": Occupation(busy=occupations.swallow_interrupts),
    "in_C_with_the_GIL": Occupation(busy=occupations.sleep_in_c),
    "paused": Occupation(paused=True),
    "non-daemon_thread": Occupation(occupations.start_thread_that_waits),
    "executor_job": Occupation(occupations.start_executor_job),
    "hanging_atexit": Occupation(occupations.hang_at_exit),
    "subprocess": Occupation(occupations.start_subprocess),
    "subprocess+in_C_with_the_GIL": Occupation(
        occupations.start_subprocess, occupations.sleep_in_c
    ),
    "subprocess+paused": Occupation(occupations.start_subprocess, paused=True),
    "multiprocessing_fork": Occupation(partial(occupations.start_multiprocessing, "fork")),
    "multiprocessing_spawn": Occupation(partial(occupations.start_multiprocessing, "spawn")),
    "forked_child": Occupation(occupations.fork),
    "forked_child_with_all_descriptors": Occupation(occupations.fork_unseen),
    "setsid": Occupation(occupations.start_in_a_session_of_its_own),
    "setsid+in_C_with_the_GIL": Occupation(
        occupations.start_in_a_session_of_its_own, occupations.sleep_in_c
    ),
    "setsid+paused": Occupation(occupations.start_in_a_session_of_its_own, paused=True),
    "daemon": Occupation(occupations.start_daemon),
    "daemon+paused": Occupation(occupations.start_daemon, paused=True),
    "terminal+ignoring_signals": Occupation(
        occupations.ignore_signals, occupations.sleep, terminal=True
    ),
    "terminal+subprocess": Occupation(occupations.start_subprocess, terminal=True),
    "terminal+setsid+paused": Occupation(
        occupations.start_in_a_session_of_its_own, paused=True, terminal=True
    ),
}
#: Only a spawned interpreter can be held there: a forked peer boots without code of the test.
BOOTING = "booting"

CELLS = [*OCCUPATIONS, BOOTING]


def occupied(
    start: Callable[..., pytest_peer.Peer], start_method: str, place: Path, **options: Any
) -> dict[str, tuple[pytest_peer.Peer, list[int]]]:
    """Start the peers, see that each is at it, and return them with the ids of their processes.

    :param place: an empty directory.
    """
    options = {"wait_boot": False, "start_method": start_method, **options}
    peers = {
        name: start(**options, terminal=occupation.terminal)
        for name, occupation in OCCUPATIONS.items()
    }
    booting = None
    if start_method == "spawn":
        (place / "sitecustomize.py").write_text(HANGS)
        booting = start(**options, env={"PYTHONPATH": str(place)})
    prepared: dict[str, Future[Any]] = {
        name: peers[name].submit(occupation.prepare)
        for name, occupation in OCCUPATIONS.items()
        if occupation.prepare is not None
    }
    pids = {name: prepared[name].result(LONGER) or [] if name in prepared else [] for name in peers}
    _begin(peers)
    result = {name: (peer, [_pid(peer), *pids[name]]) for name, peer in peers.items()}
    if booting is not None:
        result[BOOTING] = booting, [int(booting.stdout.wait_for(r"\d+\n", LONGER).group())]
    return result


def _begin(peers: dict[str, pytest_peer.Peer]) -> None:
    for name, peer in peers.items():
        peer.wait_boot(LONGER)
        busy = OCCUPATIONS[name].busy
        if busy is not None:
            peer.cast(busy)
    for name, peer in peers.items():
        if OCCUPATIONS[name].busy is not None:
            peer.stdout.wait_for("waiting", LONGER)
        if OCCUPATIONS[name].paused:
            peer.pause()


def _pid(peer: pytest_peer.Peer) -> int:
    assert peer.pid is not None
    return peer.pid
