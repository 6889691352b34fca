"""Programs that are origins: they change limits, users and namespaces of their own process only."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path

from paths import SUPPORT

LIMIT = 100.0  # seconds, of a program that must end

_COMMON = f"""
import ctypes, os, resource, signal, sys, threading, time
sys.path.insert(0, {str(SUPPORT)!r})
import pytest_peer
from occupations import start_daemon
def start(**options): return pytest_peer.start(peer_down="continue", **options)
def told(function, *arguments):
    try: return function(*arguments)
    except Exception as exc: return repr(exc) + str(exc)
def die(): os.kill(os.getpid(), signal.SIGKILL)
def kill_parent():
    os.kill(os.getppid(), signal.SIGSEGV)
    time.sleep(100)
def descriptors():  # without that of the listing
    listed = [int(fd) for fd in os.listdir("/proc/self/fd")]
    return {{fd for fd in listed if fd > 2 and os.path.exists(f"/proc/self/fd/{{fd}}")}}
"""


def said_by(
    place: Path, *lines: str, launcher: Sequence[str] = (), words: Sequence[str] = ()
) -> list[str]:
    """Run it to its end, and return its output in lines.

    :param place: for the program, and the artifacts of its peers.
    :param launcher: what starts it.
    :param words: its arguments.
    """
    program = place / "origin.py"
    program.write_text("\n".join([_COMMON, *(textwrap.dedent(text) for text in lines)]))
    # Into a file: what holds a pipe open longer would be waited for.
    with (place / "output").open("w+") as output:
        subprocess.run(
            [*launcher, sys.executable, str(program), *words],
            stdout=output,
            timeout=LIMIT,
            env={**os.environ, "TMPDIR": str(place)},
            check=False,
        )
        output.seek(0)
        return output.read().splitlines()
