"""Which start method can serve which options; pure functions.

The methods have multiprocessing's names. ``"spawn"`` executes a program. ``"forkserver"`` forks an
interpreter that has started already. This is about ten times faster, and possible only if the peer
has the origin's interpreter and the environment that this one was started with.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

FORKSERVER = "forkserver"
SPAWN = "spawn"
START_METHODS = (FORKSERVER, SPAWN)

#: Variables that have an effect only when an interpreter starts, with its memory allocator, its
#: locale and its coverage.
_READ_AT_START = (
    *("COVERAGE_PROCESS_", "COV_CORE_", "GLIBC_TUNABLES", "LANG", "LC_"),
    *("LD_", "MALLOC_", "PYTHON"),
)


def unsupported(platform: str, implementation: str) -> str:
    """Say why there is no fork server on such a system; empty if there can be one."""
    if platform != "linux":
        return f"there is no fork server on {platform}"
    if implementation != "cpython":
        return f"there is no fork server for {implementation}"
    return ""


def refusal(
    exec: Sequence[str], args: Sequence[str], post_process_args: object, env: Iterable[str]
) -> str:
    """Say why a fork server cannot serve such options; empty if it can.

    :param env: the names of the variables that the peer gets or loses.
    """
    if list(exec) != [sys.executable]:
        return "exec is not the origin's interpreter"
    if args:
        return "args are read at the start of an interpreter"
    if post_process_args is not None:
        return "post_process_args changes the start of an interpreter"
    if names := sorted(name for name in env if name.startswith(_READ_AT_START)):
        return f"env has variables that an interpreter reads at its start: {', '.join(names)}"
    return ""


def read_at_start(environ: Mapping[str, str]) -> dict[str, str]:
    """Return the variables of an environment that a process must have from its start."""
    return {name: value for name, value in environ.items() if name.startswith(_READ_AT_START)}
