"""The peer, as the far end of a relay sees it: its child, with all that this starts.

Sent as source, for Python 3.8 and the standard library.
"""

from __future__ import annotations

import os
import time

TYPE_CHECKING = False
if TYPE_CHECKING:  # `typing` would be in every peer for it
    from collections.abc import Callable
    from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.002
_KILL = 9


class RemoteChild:
    """Made before the fork. The child calls `become`, the parent sets `child`."""

    def __init__(self) -> None:
        #: Its process id.
        self.child: int = -1
        self._reaped = False
        self._parent = os.getpid()
        self._prctl = _prctl()
        #: Of the launcher, which executed this interpreter: not the peer's.
        self._strangers = set(_children(self._parent))
        # The kernel gives us what loses its parent: so what a peer has started is found, whatever session it is in.
        self._prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def become(self) -> None:
        """In the child: a session of its own, and no life without its parent."""
        os.setsid()
        self._prctl(_PR_SET_PDEATHSIG, _KILL)
        if os.getppid() != self._parent:  # it ended before
            os._exit(1)
        self._prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def facts(self, cwd: str) -> dict[str, Any]:
        """Who it is, and on which machine: numbers of processes mean something only there."""
        return {"pid": self.child, "cwd": cwd or os.getcwd(), "machine": machine()}

    def signal(self, number: int, *, group: bool) -> None:
        """Send it a signal, and with `group` to all that it started and that has not left its group."""
        if self._reaped:
            return
        try:
            (os.killpg if group else os.kill)(self.child, number)
        except ProcessLookupError:
            _quietly(os.kill, self.child, number)  # it has not come to make itself a group
        except OSError:
            pass

    def ended(self) -> bool:
        """Whether it has; reaps what others have left."""
        found = os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            self._reap_others()
        return found is not None

    def stopped(self) -> bool:
        """Whether SIGSTOP has stopped it."""
        try:
            how = os.WSTOPPED | os.WNOHANG | os.WNOWAIT
            return os.waitid(os.P_PID, self.child, how) is not None
        except ChildProcessError:
            return True

    def status(self) -> int:
        """After its end: what it returned, or the signal that ended it as a negative number."""
        found = os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOWAIT)
        assert found is not None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def kill(self, deadline: float = 0.0) -> None:
        """Kill it and all that it started, and wait until that is gone, at most until `deadline`."""
        while self.child > 0:
            # Before it is reaped its number cannot be another's.
            _quietly(os.killpg, self.child, _KILL)
            _quietly(os.kill, self.child, _KILL)
            for pid in self._offspring():
                _quietly(os.kill, pid, _KILL)
            self._reaped = True
            if not self._reap_all() or time.monotonic() >= deadline:
                return
            time.sleep(_POLL_SECONDS)

    def _reap_all(self) -> bool:
        """Return whether there are more."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return False
        return bool(self._offspring())

    def _reap_others(self) -> None:
        """What has ended as our child without being the peer; as process 1 of a container we are the parent of all orphans."""
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is None or found.si_pid == self.child:
                    return
                os.waitpid(found.si_pid, os.WNOHANG)
            except ChildProcessError:
                return

    def _offspring(self) -> list[int]:
        """All descendants that the peer is an ancestor of, or was."""
        found: list[int] = []
        parents = [self._parent]
        while parents:
            pids = [pid for pid in _children(parents.pop()) if pid not in self._strangers]
            found += pids
            parents += pids
        return found


def machine() -> tuple[str, int, int] | None:
    """What is the same only where the same number means the same process."""
    try:
        with open("/proc/sys/kernel/random/boot_id") as file:
            space = os.stat("/proc/self/ns/pid")
            return file.read().strip(), space.st_dev, space.st_ino
    except OSError:
        return None


def _children(parent: int) -> list[int]:
    try:
        found: list[int] = []
        for thread in os.listdir("/proc/%d/task" % parent):
            with open("/proc/%d/task/%s/children" % (parent, thread)) as file:
                found += map(int, file.read().split())
        return found
    except OSError:  # it is gone, or the kernel does not tell (CONFIG_PROC_CHILDREN)
        return _children_looked_for(parent)


def _children_looked_for(parent: int) -> list[int]:
    found: list[int] = []
    try:
        pids = [name for name in os.listdir("/proc") if name.isdigit()]
    except OSError:  # not Linux
        return found
    for pid in pids:
        try:
            with open("/proc/%s/stat" % pid, "rb") as file:
                after_name = file.read().rpartition(b")")[2].split()
        except OSError:
            continue
        if int(after_name[1]) == parent:
            found.append(int(pid))
    return found


def _quietly(kill: Callable[[int, int], object], pid: int, number: int) -> None:
    try:
        kill(pid, number)
    except OSError:
        pass


def _prctl() -> Callable[..., int]:
    try:
        import ctypes

        prctl: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
        return prctl
    except (ImportError, OSError, AttributeError):  # not Linux, or a Python without it
        return lambda *_: -1
