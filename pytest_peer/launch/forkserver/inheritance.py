"""What a new process has from the one that starts it, so that a forked one can be given the same.

The fork server is started once. What the origin changes in itself afterwards (its environment, a
limit, its umask, an ignored signal) has to reach the peers too.
"""

import os
import resource
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...core.start_methods import read_at_start
from .. import coverage
from ..elsewhere import at_home

#: ``subprocess`` resets these to their defaults, and every interpreter ignores them again. In the
#: kernel's sets of signals, bit 0 is signal 1.
_IGNORED_BY_PYTHON = 1 << signal.SIGPIPE - 1 | 1 << signal.SIGXFSZ - 1
_LIMITS = sorted({value for name, value in vars(resource).items() if name.startswith("RLIMIT_")})
_PRIVILEGES = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb", "NoNewPrivs", "Seccomp")
_VARIABLES = "variables that are read at start"
_NAMESPACES = ("ipc", "mnt", "net", "pid", "user", "uts")


@dataclass(frozen=True, slots=True)
class Inheritance:
    """Made by `now`, in the thread that starts a process."""

    environ: dict[str, str]
    #: What a forked process can set for itself; see the agent's module `forkserver.child_setup`.
    settable: dict[str, Any]
    #: What it cannot, with the words for it.
    fixed: dict[str, Any]

    @classmethod
    def now(cls, environ: Mapping[str, str] | None = None) -> "Inheritance":
        """Return what a process started now would have, perhaps with another environment."""
        environ = dict(os.environ if environ is None else environ)
        # What the kernel knows of this thread: also its umask, which os.umask would change.
        with open("/proc/thread-self/status", "rb", buffering=0) as file:
            lines = file.read().decode("utf-8", "replace").split("\n")
        status = dict(line.split(":\t", 1) for line in lines if ":\t" in line)
        settable = {
            "cwd": os.getcwd(),
            "umask": int(status["Umask"], 8),
            "limits": [(limit, resource.getrlimit(limit)) for limit in _LIMITS],
            "ignored": int(status["SigIgn"], 16) & ~_IGNORED_BY_PYTHON,
            "blocked": sorted(map(int, signal.pthread_sigmask(signal.SIG_BLOCK, ()))),
            "niceness": os.getpriority(os.PRIO_PROCESS, 0),
            "processors": list(os.sched_getaffinity(0)),
        }
        fixed = {
            _VARIABLES: read_at_start(coverage.without_variables(environ)),
            "user": (status["Uid"], status["Gid"], status["Groups"]),
            "privileges": [status.get(name) for name in _PRIVILEGES],
            "scheduling policy": os.sched_getscheduler(0),
            # A thread may have its own of these, too.
            "root directory": os.stat("/proc/thread-self/root")[1:3],  # its number and device
            "namespaces": _namespaces(),
        }
        return cls(environ, settable, fixed)

    def obstacle(self, earlier: "Inheritance", *, executed: bool = False) -> str:
        """Name what a forked, or `executed`, process cannot set and has changed since `earlier`."""
        for name, value in self.fixed.items():
            if value != earlier.fixed[name] and not (executed and name == _VARIABLES):
                return f"the origin's {name} changed after the fork server had started"
        return ""

    def changes(self, earlier: "Inheritance") -> dict[str, Any]:
        """Return what a process forked from one that had `earlier` has to set."""
        old = earlier.settable
        return {name: value for name, value in self.settable.items() if value != old[name]}


def _namespaces() -> list[str]:
    with at_home():
        return [os.readlink(f"/proc/thread-self/ns/{name}") for name in _NAMESPACES]
