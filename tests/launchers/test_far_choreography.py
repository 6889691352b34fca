"""Calls that wait, and peers at rest, behind each launcher."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time

import pytest
from timeouts import LONG

from pytest_peer import NotBlocked, NotSettled, Peer, here

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="of /proc")

_taken = threading.Lock()
_done: list[str] = []


def wait_for_lock() -> None:
    with _taken:
        pass


def release() -> None:
    _taken.release()


def work(seconds: float = 0.2) -> None:
    until = time.process_time() + seconds
    while time.process_time() < until:
        pass


def have_a_child_work(seconds: float) -> None:
    code = f"import time\nwhile time.process_time() < {seconds}: pass"
    child = subprocess.Popen([sys.executable, "-c", code])
    threading.Thread(target=lambda: _done.append(str(child.wait()))).start()


def done() -> int:
    found = len(_done)
    _done.clear()
    return found


def take() -> object:
    return here.mailbox("orders").get(LONG)


def test_call_says_what_it_waits_for(shared_far: Peer) -> None:
    shared_far.call(_acquire)
    future = shared_far.submit(wait_for_lock)
    blocked = future.wait_blocked(LONG)
    assert blocked.on == "lock"
    assert "in wait_for_lock" in blocked.stack
    shared_far.call(release)
    future.result(LONG)


def _acquire() -> None:
    _taken.acquire()


def test_call_that_runs_says_so(shared_far: Peer) -> None:
    future = shared_far.submit(work, 1.0)
    with pytest.raises(NotBlocked):
        future.wait_blocked(0.2)
    future.result(LONG)


def test_call_and_what_it_starts_are_waited_for(shared_far: Peer) -> None:
    future = shared_far.submit(work)
    shared_far.settle(LONG)
    assert future.done()
    shared_far.call(have_a_child_work, 0.2)
    shared_far.settle(LONG)
    assert shared_far.call(done) == 1


def test_process_that_runs_is_named(shared_far: Peer) -> None:
    shared_far.call(have_a_child_work, 1.0)
    with pytest.raises(NotSettled, match="its process") as caught:
        shared_far.settle(0.2)
    assert shared_far.name in caught.value.busy[0]
    shared_far.settle(LONG)
    assert shared_far.call(done) == 1


def test_own_waits_are_no_timers_there(shared_far: Peer) -> None:
    future, sleeps = shared_far.submit(take), shared_far.submit(time.sleep, 0.3)
    shared_far.settle(LONG, ignore_timers=False)
    assert sleeps.done()
    assert not future.done()
    shared_far.send("orders", os.urandom(10))
    shared_far.settle(LONG)
    assert future.done()
