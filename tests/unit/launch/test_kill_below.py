"""All that is below a process is killed."""

from __future__ import annotations

import subprocess
import sys

from timeouts import LONG

#: Its child dies, and leaves its own, when that was just looked for; then the machine stands still.
PROGRAM = """
import itertools, os, signal, subprocess, time
from pytest_peer.launch import procfs, session

session.prctl(session.SUBREAPER, 1)
read, write = os.pipe()
child = os.fork()
if child == 0:
    left = subprocess.Popen(["sleep", "600"], start_new_session=True)
    os.write(write, b"%d" % left.pid)
    signal.pause()
left = int(os.read(read, 20))
looked, look = [], procfs.descendants

def look_too_early(*arguments):
    if not looked:
        looked.append(child)
        os.kill(child, signal.SIGKILL)
        os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
        return [child]
    return look(*arguments)

procfs.descendants = look_too_early
time.monotonic = itertools.count(0, 10).__next__
session.kill_below()
try:
    os.kill(left, 0)
except ProcessLookupError:
    print("gone")
"""


def test_time_that_passes_leaves_nobody_alive() -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=LONG
    )
    assert (done.stdout, done.stderr) == ("gone\n", "")
