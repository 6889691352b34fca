"""Threads of the library."""

from __future__ import annotations

import subprocess
import sys
import threading

from timeouts import LONG

from pytest_peer.core.worker import start_thread

INTERRUPTED_STARTS = """
import random, signal, sys, threading, time
from pytest_peer.core.worker import start_thread

class Late(Exception):
    pass

def interrupt(*_):
    raise Late

failed = []
sys.unraisablehook = threading.excepthook = failed.append
signal.signal(signal.SIGALRM, interrupt)
for _ in range(1000):
    try:
        signal.setitimer(signal.ITIMER_REAL, random.uniform(5e-6, 1.2e-4))
        start_thread(int, "short")
        time.sleep(0.001)
    except Late:
        pass
while any(thread.name == "short" for thread in threading.enumerate()):
    pass
print(len(failed), threading.active_count())
"""


def test_interrupted_start_of_a_thread_harms_none() -> None:
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED_STARTS], capture_output=True, text=True, timeout=LONG
    )
    assert (done.stdout, done.stderr) == ("0 1\n", "")


def test_thread_can_be_joined() -> None:
    begun = threading.Event()
    thread = start_thread(begun.set, "short")
    assert begun.wait(LONG)
    thread.join(LONG)
    assert not thread.is_alive()


FORK_IN_A_THREAD = """
import os, threading
from pytest_peer.core.worker import start_thread

def fork():
    begun.wait()
    child = os.fork()
    if child == 0:
        os.write(1, b"%d" % (threading.current_thread() is threading.main_thread()))
        os._exit(0)
    os.waitpid(child, 0)
    ended.set()

begun, ended = threading.Event(), threading.Event()
start_thread(fork, "pytest-peer-forks")
begun.set()
ended.wait()
"""


def test_thread_can_fork() -> None:
    done = subprocess.run(
        [sys.executable, "-c", FORK_IN_A_THREAD], capture_output=True, text=True, timeout=LONG
    )
    assert (done.stdout, done.stderr) == ("1", "")
