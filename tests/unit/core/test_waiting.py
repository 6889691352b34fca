"""Events and locks that a signal handler may interrupt at any moment."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
import threading

import pytest
from timeouts import LONG, LONGER

from pytest_peer.core.sync import Event

#: Repeats a step while a timer's handler raises in it; then another thread does the same step.
INTERRUPTED = """
import random, signal, sys, threading, time
from pytest_peer.core.locks import Lock
from pytest_peer.core.sync import Event
# if asked: to see that this finds something
if sys.argv[1] == "threading":
    from threading import Event

class Interrupted(Exception):
    pass

armed = False

def handler(*_):
    global armed
    if armed:
        armed = False
        raise Interrupted

signal.signal(signal.SIGALRM, handler)
lock, event = Lock(), Event()

def step():
    {step}

def other():
    {other}
    done.append(True)

interrupts = 0
until = time.monotonic() + 1.0
while interrupts < 2000 and time.monotonic() < until:
    signal.setitimer(signal.ITIMER_REAL, random.random() * 2e-4 + 1e-6, 3e-4)
    try:
        try:
            armed = True
            while True:
                step()
        finally:
            armed = False
    except (Interrupted, RuntimeError):
        interrupts += 1
    signal.setitimer(signal.ITIMER_REAL, 0)
    done = []
    thread = threading.Thread(target=other, daemon=True)
    thread.start()
    thread.join(5)
    if not done:
        sys.exit("hangs after %d interrupts" % interrupts)
"""
STEPS = {
    "enter and leave a lock": ("with lock: event.wake()", "with lock: event.wake()"),
    "wait for an event": ("event.wait(0)", "event.set()"),
}


@pytest.mark.parametrize("step", STEPS)
def test_interrupt_at_any_moment_leaves_no_thread_hanging(step: str) -> None:
    doing, other = STEPS[step]
    program = INTERRUPTED.replace("{step}", doing).replace("{other}", other)
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), "ours"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, "")


#: Interrupts that come while all that a thread does is to enter and leave a lock.
LEAKS = """
import signal
from pytest_peer.core.locks import Lock
from pytest_peer.link.futures import PeerFuture

class Interrupted(Exception):
    pass

def handler(*_):
    raise Interrupted

def enter_and_leave(lock):
    signal.setitimer(signal.ITIMER_REAL, 3e-5)
    while True:
        with lock, lock:
            pass

signal.signal(signal.SIGALRM, handler)
leaks = 0
for lock in [Lock(), PeerFuture(str, str, bool)._condition]:
    for _ in range(10_000):
        try:
            enter_and_leave(lock)
        except Interrupted:
            pass
        while lock._is_owned():
            leaks += 1
            lock.release()
print(leaks)
"""


def test_no_interrupt_leaves_a_lock_locked() -> None:
    """As Python 3.14 does with its own locks."""
    done = subprocess.run(
        [sys.executable, "-c", LEAKS], capture_output=True, text=True, timeout=LONGER
    )
    assert (done.stdout, done.stderr) == ("0\n", "")


def test_wait_for_returns_when_it_is_so() -> None:
    event, seen = Event(), []

    def wait() -> None:
        seen.append(event.wait_for(lambda: "now" in seen, LONG))

    threads = [threading.Thread(target=wait, daemon=True) for _ in range(3)]
    for thread in threads:
        thread.start()
    seen.append("now")
    event.wake()
    for thread in threads:
        thread.join(LONG)
    assert seen == ["now", True, True, True]


@pytest.mark.parametrize("timeout", [0, 0.01])
def test_wait_ends_after_its_time(timeout: float) -> None:
    assert not Event().wait(timeout)
    assert not Event().wait_for(lambda: False, timeout)


def test_event_wakes_all() -> None:
    event = Event()
    threads = [threading.Thread(target=event.wait, args=(LONG,), daemon=True) for _ in range(5)]
    for thread in threads:
        thread.start()
    assert not event.is_set()
    event.set()
    for thread in threads:
        thread.join(LONG / 2)
    assert not any(thread.is_alive() for thread in threads)
    assert event.wait(0)


@pytest.mark.skipif(not hasattr(signal, "SIGALRM"), reason="no SIGALRM")
def test_handler_of_a_signal_runs_while_one_waits() -> None:
    def handler(*_: object) -> None:
        raise InterruptedError

    before = signal.signal(signal.SIGALRM, handler)
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.05)
        with pytest.raises(InterruptedError):
            Event().wait(LONG)
    finally:
        signal.signal(signal.SIGALRM, before)
