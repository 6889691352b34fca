"""Debuggers, as programs."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

#: Attaches and handles no event, like a debugger at its prompt. With the option 0x40
#: (PTRACE_O_TRACEEXIT) it holds a killed process, too.
DEBUGGER = """
import ctypes, os, sys, time
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long] * 4
failed = ptrace(0x4206, int(sys.argv[1]), 0, int(sys.argv[2])) < 0
print(os.strerror(ctypes.get_errno()) if failed else "attached", flush=True)
time.sleep(600)
"""

#: Attaches, stops the process (PTRACE_INTERRUPT), and lets it go when its stdin ends.
STOPPING_DEBUGGER = """
import ctypes, os, sys
ptrace = ctypes.CDLL(None, use_errno=True).ptrace
ptrace.argtypes = [ctypes.c_long] * 4
pid = int(sys.argv[1])
failed = any(ptrace(request, pid, 0, 0) < 0 for request in (0x4206, 0x4207))
if not failed:
    os.waitpid(pid, 0x40000000)
print(os.strerror(ctypes.get_errno()) if failed else "attached", flush=True)
sys.stdin.read()
ptrace(17, pid, 0, 0)
"""


def start_debugger(program: str, pid: int, options: int = 0) -> subprocess.Popen[str]:
    """Start a debugger of a process; skip where that is not permitted."""
    command = [sys.executable, "-c", program, str(pid), str(options)]
    debugger = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert debugger.stdout is not None
    said = debugger.stdout.readline().strip()
    if said != "attached":
        with debugger:
            debugger.kill()
        reason = f"ptrace is not permitted: {said}"
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail(reason)
        pytest.skip(reason)
    return debugger
