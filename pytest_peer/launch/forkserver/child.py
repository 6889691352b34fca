"""A process that the fork server forked for us."""

from __future__ import annotations

import marshal
import os
import select
import signal
import threading
from collections.abc import Callable
from typing import IO
from typing import TYPE_CHECKING

from ...core.clock import monotonic
from ...core.errors import ExecNotFound
from ...core.states import ExitStatus
from ...core.sync import Event
from ...core.timers import Timers
from .. import procfs

if TYPE_CHECKING:
    from .client import ForkServer


#: Between the kill of a peer and the server's word of it, before the server is taken for stuck.
_SILENT_SECONDS = 5.0


class ForkError(Exception):
    """The fork server could not make a peer; the text says why.

    :param late: it is a matter of time.
    :param lost: the server has died, and another one could.
    """

    def __init__(self, text: str, *, late: bool = False, lost: bool = False) -> None:
        super().__init__(text)
        self.late = late
        self.lost = lost


def executed(failure: IO[bytes], argv: list[str], deadline: float) -> None:
    """Wait until a process that the server forked has become another program.

    :param failure: what it says if it cannot; ends when it is.
    :raises ExecNotFound: there is no such program.
    :raises NotForked: not in time.
    """
    poll = select.poll()
    poll.register(failure, select.POLLIN)
    if not poll.poll(max(0.0, deadline - monotonic()) * 1000):
        raise ForkError(f"{argv[0]} is not executed yet", late=True)
    if said := failure.read():
        number, text = marshal.loads(said)
        why = os.strerror(number) if number else text
        raise ExecNotFound(f"cannot run {argv[0]!r}: {why}", argv=argv)


class ForkedChild:
    """A process that the server forked. The server is its parent, and keeps it, dead, until it is reaped."""

    def __init__(self, server: ForkServer, number: int) -> None:
        self._server = server
        self._number = number
        self._lock = threading.Lock()
        self._ended: Callable[[], object] | None = None
        self._status: ExitStatus | None = None
        self._over = False
        self._abandoned = False
        self._answered = Event()
        self._reaped = Event()
        self._refused = ""
        self._timers = Timers()
        self._expected = False
        self.pid: int = -1
        #: What became of the server, if that is why nobody knows how this process ended.
        self.orphaned: str = ""

    def wait_born(self, deadline: float) -> None:
        """Wait until there is a process.

        :raises NotForked: there will be none.
        """
        if not self._answered.wait(max(0.0, deadline - monotonic())):
            self.abandon()
            raise ForkError("the fork server did not answer in time", late=True)
        if self._refused:
            raise ForkError(self._refused, lost=bool(self.orphaned))

    def abandon(self) -> None:
        """Nobody waits for it any more: if it is born, it is killed, and reaped unseen. The other peers of the server live on."""
        with self._lock:
            self._abandoned = True
            unseen = self._over
        if unseen:
            self._server.reap(self._number)
        self._kill_abandoned()
        self._server.suspect(self._answered)

    def _kill_abandoned(self) -> None:
        if self._abandoned and self.pid > 0 and not self._over:
            try:
                os.kill(self.pid, signal.SIGKILL)  # not reaped, so the number is its own
            except PermissionError:  # this process has given up the right to
                self.signal_group(signal.SIGKILL)
            except ProcessLookupError:
                pass

    def signal_group(self, number: int) -> None:
        """Have the server send it."""
        self._server.signal(self._number, number)

    def expect_end(self) -> None:
        """It was killed: a server that does not tell of its end is stuck, and killed too."""
        if not self._expected:
            self._expected = True
            self._timers.call_later(_SILENT_SECONDS, self._judge_silence)

    def _judge_silence(self) -> None:
        if self._over:
            return
        status = procfs.of_process(self.pid)
        if status is None or status.state in "ZX":
            self._server.kill()
        else:  # it is the kernel that takes so long
            self._timers.call_later(_SILENT_SECONDS, self._judge_silence)

    def watch(self, ended: Callable[[], object]) -> None:
        """Call `ended` once when the process has ended, perhaps now."""
        with self._lock:
            self._ended = ended
            over = self._over
        if over:
            ended()

    def remember_descendants(self) -> None:
        """The server finds them."""

    def kill_descendants(self) -> None:
        """The server has, before it told of the end."""

    def wait_descendants_gone(self, seconds: float) -> None:
        """They are."""

    def reap(self) -> ExitStatus | None:
        """Let the process go: its number may belong to another one now. Returns how it ended, ``None`` if nobody knows."""
        self._server.reap(self._number)
        return self._status

    def wait_reaped(self, seconds: float) -> None:
        """After `reap`: wait until the server has done it."""
        self._reaped.wait(seconds)

    def stopped(self) -> bool:
        """Whether SIGSTOP has stopped it."""
        status = procfs.of_process(self.pid)
        return status is None or status.stopped  # gone: it will not get any stiller

    def disown(self) -> None:
        """In a forked child: it is not ours."""

    def answered(self, pid: int, refused: str) -> None:
        """The server has answered."""
        with self._lock:
            self.pid, self._refused = pid, refused
        self._answered.set()
        self._kill_abandoned()

    def end(self, status: ExitStatus | None, orphaned: str = "") -> None:
        """The process has ended, or nobody will ever know."""
        with self._lock:
            if self._over:
                return
            self._over, self._status, self.orphaned = True, status, orphaned
            ended, unseen = self._ended, self._abandoned
        self._timers.close()
        if orphaned:
            self._reaped.set()  # by init, some day
        if ended is not None:
            ended()
        elif unseen:
            self._server.reap(self._number)

    def gone(self) -> None:
        """The server has reaped it."""
        self._reaped.set()
