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
        if self._reaped:
            return
        try:
            (os.killpg if group else os.kill)(self.child, number)
        except ProcessLookupError:
            _quietly(os.kill, self.child, number)  # it has not made itself a group yet
        except OSError:
            pass

    def ended(self) -> bool:
        """Whether the peer has ended; reaps orphans of the peer."""
        found = os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        if found is None:
            self._reap_orphans()
        return found is not None

    def wait_stopped(self, deadline: float) -> None:
        """Wait until SIGSTOP has stopped the peer, or until it has ended."""
        how = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
        while time.monotonic() < deadline and os.waitid(os.P_PID, self.child, how) is None:
            time.sleep(_POLL_SECONDS)

    def status(self) -> int:
        """After the end: what it returned, or the signal that ended it as a negative number."""
        found = os.waitid(os.P_PID, self.child, os.WEXITED | os.WNOWAIT)
        assert found is not None
        return found.si_status if found.si_code == os.CLD_EXITED else -found.si_status

    def kill(self, deadline: float = 0.0) -> None:
        """Kill the peer and all that it started; wait until that is gone, or for the deadline."""
        while self.child > 0:
            # Until it is reaped, its number is its own.
            _quietly(os.killpg, self.child, _KILL)
            _quietly(os.kill, self.child, _KILL)
            for pid in self._descendants():
                _quietly(os.kill, pid, _KILL)
            self._reaped = True
            if not self._reap_all() or time.monotonic() >= deadline:
                return
            time.sleep(_POLL_SECONDS)

    def _reap_all(self) -> bool:
        """Reap what has ended; return whether something else is left."""
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return False
        return bool(self._descendants())

    def _reap_orphans(self) -> None:
        while True:
            try:
                found = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
                if found is None or found.si_pid == self.child:
                    return
                os.waitpid(found.si_pid, os.WNOHANG)
            except ChildProcessError:
                return

    def _descendants(self) -> list[int]:
        return procfs.descendants(self._parent, self._launchers)


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
