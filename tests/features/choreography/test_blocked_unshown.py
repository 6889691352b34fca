"""`wait_blocked` where the kernel does not show all that it mostly does of threads."""

from __future__ import annotations

import os
import sys
import threading
import time
import unittest
from collections.abc import Callable
from typing import Any

import pytest
from timeouts import AGES, LONG

from pytest_peer import NotBlocked, Peer, here

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of /proc")


def hide(*names: str) -> None:
    """Have the agent find nothing in files of ``/proc`` with these names."""
    from pytest_peer_agent.core import threads

    contents = threads.contents
    threads.contents = lambda path, *rest: (
        "" if os.path.basename(path) in names else contents(path, *rest)
    )


def lock() -> None:
    taken = threading.Lock()
    taken.acquire()
    taken.acquire()


def sleep() -> None:
    time.sleep(AGES)


def read_pipe() -> None:
    os.read(os.pipe()[0], 1)


def take_from_mailbox() -> None:
    here.mailbox("orders").get()


WAITS = {lock: "lock", sleep: "sleep", read_pipe: "read pipe", take_from_mailbox: "mailbox orders"}


@pytest.mark.parametrize("function", WAITS)
@pytest.mark.parametrize("hidden", ["syscall", "schedstat"])
def test_call_that_waits_is_known_all_the_same(
    peer: Peer, hidden: str, function: Callable[[], Any]
) -> None:
    peer.call(hide, hidden)
    blocked = peer.submit(function).wait_blocked(LONG)
    assert blocked.on == WAITS[function]
    assert f"in {function.__name__}\n" in blocked.stack


def test_without_any_place_in_the_kernel_it_is_a_system_call(peer: Peer) -> None:
    peer.call(hide, "syscall", "wchan")
    assert peer.submit(sleep).wait_blocked(LONG).on == "system call"


def loop() -> None:
    while True:
        pass


def loop_beside_others() -> None:
    for _ in range(5):
        threading.Thread(target=loop, daemon=True).start()
    loop()


@pytest.mark.parametrize("function", [loop, loop_beside_others])
@pytest.mark.parametrize("hidden", ["syscall", "schedstat"])
def test_call_that_runs_is_known_all_the_same(
    peer: Peer, hidden: str, function: Callable[[], Any]
) -> None:
    peer.call(hide, hidden)
    with pytest.raises(NotBlocked, match=r"still runs after 0\.5 s"):
        peer.submit(function).wait_blocked(0.5)
    peer.kill()


def test_without_any_turns_the_test_is_skipped(peer: Peer) -> None:
    peer.call(hide, "schedstat", "status")
    with pytest.raises(unittest.SkipTest, match="neither schedstat nor context switches"):
        peer.submit(sleep).wait_blocked(LONG)
