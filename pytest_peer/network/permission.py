"""Whether this machine lets us have network namespaces, and what to do where it does not."""

from __future__ import annotations

import functools
import os

from ..launch import namespaces


@functools.cache
def needs_user_namespace() -> bool:
    """Return whether network namespaces need a user namespace around them."""
    # Tried in a child: a process of many threads keeps its own.
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            namespaces.unshare("net", "mnt", "uts")
            status = 0
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) != 0


def refusal() -> str:
    """Say why there can be no network here, and what would allow it; empty if there can."""
    return ""
