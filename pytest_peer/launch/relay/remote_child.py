"""The peer as the remote end of a relay sees it: a child, with everything that it starts.

Sent as source: Python 3.8 and the standard library only.
"""

from __future__ import annotations

import os
import time

from .. import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:  # importing `typing` would slow down every boot
    from collections.abc import Callable
    from typing import Any

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_POLL_SECONDS = 0.002
_KILL = 9


class RemoteChild:
    """Made before the fork. The child calls `become`, the parent sets `child`."""

    def __init__(self) -> None:
        #: The child's process id.
        self.child: int = -1
        self._reaped = False
        self._parent = os.getpid()
        self._prctl = _prctl()
        #: Children of the launcher, which has executed this interpreter: not the peer's.
        self._launchers = procfs.children(self._parent)
        # The kernel gives us descendants whose parent has ended. So what a peer has started is
        # found, whatever session it is in.
        self._prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def become(self) -> None:
        """In the child, begin a session that ends with the parent."""
        os.setsid()
        self._prctl(_PR_SET_PDEATHSIG, _KILL)
        if os.getppid() != self._parent:  # it ended before
            os._exit(1)
        self._prctl(_PR_SET_CHILD_SUBREAPER, 1)

    def facts(self, cwd: str) -> dict[str, Any]:
        """Return process id, directory, and the machine that the process id belongs to."""
        return {"pid": self.child, "cwd": cwd or os.getcwd(), "machine": procfs.machine()}

    def signal(self, number: int, *, group: bool) -> None:
        """Send a signal to the peer, or to its group."""
        if self._reaped or (group and _sent(os.killpg, self.child, number)):
            return
        _sent(os.kill, self.child, number)  # it may not have made itself a group yet

    def exit_status(self) -> int | None:
        """Return the signal that ended the peer as a negative number, or what it returned.

        ``None`` while it runs. Orphans of the peer are reaped.
        """
        while True:
            found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if found is None:
                return None
            if found.si_pid == self.child:
                return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status
            os.waitpid(found.si_pid, os.WNOHANG)

    def wait_stopped(self, deadline: float) -> None:
        """Wait until SIGSTOP has stopped the peer, or until it has ended."""
        how = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
        while time.monotonic() < deadline and os.waitid(os.P_PID, self.child, how) is None:
            time.sleep(_POLL_SECONDS)

    def kill(self, deadline: float = 0.0) -> None:
        """Kill the peer and all that it started; wait until that is gone, or for the deadline."""
        while self.child > 0:
            _sent(os.killpg, self.child, _KILL)
            for pid in (self.child, *self._descendants()):
                _sent(os.kill, pid, _KILL)
            self._reaped = True
            try:
                while os.waitpid(-1, os.WNOHANG)[0]:
                    pass
            except ChildProcessError:
                return
            if not self._descendants() or time.monotonic() >= deadline:
                return
            time.sleep(_POLL_SECONDS)

    def _descendants(self) -> list[int]:
        return procfs.descendants(self._parent, self._launchers)


def _sent(kill: Callable[[int, int], object], pid: int, number: int) -> bool:
    try:
        kill(pid, number)
    except OSError:
        return False
    return True


def _prctl() -> Callable[..., int]:
    try:
        import ctypes

        prctl: Callable[..., int] = ctypes.CDLL(None, use_errno=True).prctl
        return prctl
    except (ImportError, OSError, AttributeError):  # not Linux, or a Python without it
        return lambda *_: -1
