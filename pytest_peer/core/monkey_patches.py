"""Find out whether gevent or eventlet has replaced threads, sockets or subprocesses.

The code that controls peers has to run while tests wait, which greenlets do not.
"""

from __future__ import annotations

import _thread
import socket
import subprocess

_LIBRARIES = ("gevent", "eventlet")


def patched_by() -> str:
    """Return the library that has replaced something peers need; empty if none has."""
    for needed in (_thread.start_new_thread, socket.socket, subprocess.Popen):
        library = str(getattr(needed, "__module__", "")).partition(".")[0]
        if library in _LIBRARIES:
            return library
    return ""
