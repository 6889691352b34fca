"""Whether processes run, and processes that a peer starts."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from typing import Any

import psutil

from pytest_peer import eventually


def is_running(pid: int) -> bool:
    """Whether it runs; one that is dead and waits to be reaped does not."""
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def running(pids: Iterable[int]) -> list[int]:
    """Those of `pids` that run."""
    return [pid for pid in pids if is_running(pid)]


def assert_gone(pids: Iterable[int], within: float = 2.0) -> None:
    """None of `pids` runs, or will after `within` seconds."""
    pids = list(pids)

    def gone() -> None:
        assert not [psutil.Process(pid).cmdline() for pid in running(pids)]

    eventually(gone, within)


def start(*argv: str, **options: Any) -> subprocess.Popen[bytes]:
    """Start a process that outlives the call, without a warning about that."""
    _started.append(subprocess.Popen(argv, **options))
    return _started[-1]


_started: list[subprocess.Popen[bytes]] = []


def start_child_and_grandchild() -> list[int]:
    """Start a process that starts another; return their ids."""
    child = start("/bin/sh", "-c", "sleep 600 & echo $!; wait", stdout=subprocess.PIPE)
    assert child.stdout is not None
    return [child.pid, int(child.stdout.readline())]
