"""The start methods, and what rules one of them or all of them out.

The methods have multiprocessing's names. ``"spawn"`` executes a program. ``"forkserver"`` forks an
interpreter that has started already. This is about ten times faster, and possible only if the peer
has the origin's interpreter and the environment that this one was started with.
"""

import _thread
import socket
import sys
from collections.abc import Mapping
from typing import Any

FORKSERVER = "forkserver"
SPAWN = "spawn"

#: Variables with an effect only at a start: of the interpreter, its allocator, locale, coverage.
_READ_AT_START = (
    *("COVERAGE_PROCESS_", "COV_CORE_", "GLIBC_TUNABLES", "LANG", "LC_"),
    *("LD_", "MALLOC_", "PYTHON"),
)


def unsupported(platform: str, implementation: str) -> str:
    """Say why there is no fork server on such a system; empty if there can be one."""
    known = (platform, implementation) == ("linux", "cpython")
    return "" if known else f"there is no fork server for {implementation} on {platform}"


def read_at_start(environ: Mapping[str, Any]) -> dict[str, Any]:
    """Return the variables of an environment that a process must have from its start."""
    return {name: value for name, value in environ.items() if name.startswith(_READ_AT_START)}


def patched_by() -> str:
    """Return which of gevent and eventlet keeps our code from running while tests wait, if any."""
    # Not imported here: a suite with settings and without peers needs none.
    popen = getattr(sys.modules.get("subprocess"), "Popen", None)
    for needed in (_thread.start_new_thread, socket.socket, popen):
        library = str(getattr(needed, "__module__", "")).partition(".")[0]
        if library in ("gevent", "eventlet"):
            return library
    return ""
