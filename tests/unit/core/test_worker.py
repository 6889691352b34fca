"""Threads of the library."""

from __future__ import annotations

import subprocess
import sys

from timeouts import LONG

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
