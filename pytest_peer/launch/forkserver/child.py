"""A process that the fork server has forked for us."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from typing import Protocol

from ...core.clock import monotonic
from ...core.states import ExitStatus
from ...core.sync import Event
from .. import procfs


class ForkError(Exception):
    """The fork server could not make a peer; the text says why.

    :param late: it needs more time than there is.
    :param lost: the server has died, and another one may do it.
    """

    def __init__(self, text: str, *, late: bool = False, lost: bool = False) -> None:
        super().__init__(text)
        self.late = late
        self.lost = lost


class _Server(Protocol):
    """What a child needs of `ForkServer`."""

    def signal(self, number: int, signal_number: int) -> None: ...

    def reap(self, number: int) -> None: ...


class ForkedChild:
    """A child of the fork server, which does not reap it before we ask for it.

    :param number: the number of the request that it comes from.
    """

    def __init__(self, server: _Server, number: int) -> None:
        self._server = server
        self._number = number
        self._lock = threading.Lock()
        self._on_end: Callable[[], object] | None = None
        self._status: ExitStatus | None = None
        self._ended = False
        self._abandoned = False
        self._replied = Event()
        self._reaped = Event()
        self._refusal = ""
        self.pid: int = -1
        #: See `Child.status_lost`: the reason is that the server has died.
        self.status_lost: str = ""

    def wait_started(self, deadline: float) -> None:
        """Wait until there is a process.

        :raises ForkError: there will be none.
        """
        if not self._replied.wait(max(0.0, deadline - monotonic())):
            self.abandon()
            raise ForkError("the fork server did not answer in time", late=True)
        if self._refusal:
            raise ForkError(self._refusal, lost=bool(self.status_lost))

    def abandon(self) -> None:
        """Kill and reap it whenever it starts: no one waits for it any more."""
        with self._lock:
            self._abandoned = True
            ended = self._ended
        if ended:
            self._server.reap(self._number)
        self._kill_abandoned()

    def _kill_abandoned(self) -> None:
        if self._abandoned and self.pid > 0 and not self._ended:
            try:
                os.kill(self.pid, signal.SIGKILL)  # not reaped, so the number is its own
            except PermissionError:  # this process has dropped the right to do it
                self.signal_group(signal.SIGKILL)
            except ProcessLookupError:
                pass

    def signal_group(self, number: int) -> None:
        """Have the server send a signal to its group."""
        self._server.signal(self._number, number)

    def watch(self, ended: Callable[[], object]) -> None:
        """Call `ended` once, when the process has ended; at once if it has already."""
        with self._lock:
            self._on_end = ended
            over = self._ended
        if over:
            ended()

    def remember_descendants(self) -> None:
        """Do nothing: the server finds them after the end too, and kills them."""

    def reap(self) -> ExitStatus | None:
        """Have the server release the process, and return how it ended."""
        self._server.reap(self._number)
        return self._status

    def wait_gone(self, seconds: float) -> None:
        """After `reap`, wait until the server has done it."""
        self._reaped.wait(seconds)

    def stopped(self) -> bool:
        """Whether SIGSTOP has stopped it; also true when it is gone."""
        status = procfs.of_process(self.pid)
        return status is None or status.stopped

    # Called by the client, when the server reports

    def replied(self, pid: int, refusal: str) -> None:
        """There is a process, or the server says why there is none."""
        with self._lock:
            self.pid, self._refusal = pid, refusal
        self._replied.set()
        self._kill_abandoned()

    def end(self, status: ExitStatus | None, status_lost: str = "") -> None:
        """The process has ended, or `status_lost` says why its end will never be known."""
        with self._lock:
            if self._ended:
                return
            self._ended, self._status, self.status_lost = True, status, status_lost
            on_end, abandoned = self._on_end, self._abandoned
        if status_lost:
            self._reaped.set()  # init does it
        if on_end is not None:
            on_end()
        elif abandoned:
            self._server.reap(self._number)

    def released(self) -> None:
        """The server has reaped it."""
        self._reaped.set()
