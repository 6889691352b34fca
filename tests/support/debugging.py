"""A debugger, as a program."""

from __future__ import annotations

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
