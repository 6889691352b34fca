"""All that is below a process is killed."""

from __future__ import annotations

import subprocess
import sys

from timeouts import LONG
from ways import available, found, needs_root

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


#: Below it is what it must not kill, and what it must.
FORBIDDEN = """
import os, subprocess, sys, time
from pytest_peer.launch import session

other = subprocess.Popen([sys.argv[1], "--reuid=65534", "cat"], stdin=subprocess.PIPE)
while not os.stat(f"/proc/{other.pid}").st_uid:
    pass
ours = subprocess.Popen(["sleep", "600"])
rounds = []
time.sleep = rounds.append
session.kill_below()
print(len(rounds) < 100 or rounds, ours.poll() is not None, other.poll())
"""


def test_what_nothing_may_kill_is_not_waited_for() -> None:
    with available():
        needs_root("another user")
        setpriv = found("setpriv")
    dropping = [setpriv, "--bounding-set=-kill", "--inh-caps=-kill"]
    done = subprocess.run(
        [*dropping, sys.executable, "-c", FORBIDDEN, setpriv],
        capture_output=True,
        text=True,
        timeout=LONG,
    )
    assert (done.stdout, done.stderr) == ("True True None\n", "")
