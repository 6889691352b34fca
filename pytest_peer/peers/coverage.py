"""Coverage of one life of a peer: its context, and what it saves before it is killed."""

import contextlib
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from ..core.clock import monotonic
from ..core.loop import Timer, loop
from ..launch import coverage, procfs
from ..link.calls import RpcClient
from ..link.protocol import messages
from ..link.reader import ReplyWaiter
from .transitions import Phase

if TYPE_CHECKING:
    from .lifecycle import PeerLife

#: Seconds for a peer to save, or to switch; a hundredth mostly.
_SECONDS = 1.0
#: Less for one that has used a processor so long, or slept so long: it does not get its GIL.
_GIL_SECONDS = 0.3
#: Seconds between two looks at it. After its last save it stops.
_POLL_SECONDS = 0.002
#: The artifact in which that is, until it is in a data file.
_SNAPSHOT = "coverage.bin"


class PeerCoverage:
    """Has a peer save what it measures before its end; `kill` kills it, `timers` end with it."""

    def __init__(self, life: "PeerLife", timers: list[Timer], kill: Callable[[], object]) -> None:
        self._life = life
        self._timers = timers
        self._kill = kill
        self._last: _Patience | None = None  # with the last save
        self._reply = ReplyWaiter()  # to that, where it is a usual one
        self._snapshot: Path | None = None
        self._over = False  # nothing more can be asked
        life.client.agent.context = coverage.context
        _of_lives.add(self)

    @property
    def client(self) -> RpcClient | None:
        """That of a peer which measures, runs and can answer; ``None`` for any other."""
        life = self._life
        if self._over or not life.client.agent.measures:
            return None
        return life.client if life.phase is Phase.RUNNING and not life.process.paused else None

    def save_last(self, wanted: bool) -> None:
        """If `wanted`, have it save, and stop in the same moment: it will be killed."""
        if wanted and self._last is None and (client := self.client) is not None:
            path = self._life.record.artifacts.path.absolute() / _SNAPSHOT
            with contextlib.suppress(OSError):  # the user has removed the directory
                path.touch()
                self._snapshot = path
            self._last = _Patience(self._life.process.local_pid())
            client.agent.cover(messages.STOP, str(path), self._reply)

    def saves(self) -> bool:
        """Return whether the kill has to wait. It comes by itself when that is over."""
        if self._last is None or self._reply.settled or self._life.process.paused:
            return False
        if not self._last.left():
            return False
        self._timers.append(loop.call_later(_POLL_SECONDS, self._kill))
        return True

    def take(self) -> None:
        """After its end, put what it has saved last beside the other data, which are whole."""
        interpreter = self._life.process.interpreter
        if self._life.client.agent.measures and interpreter is not None:
            coverage.tidy(interpreter.pid)
        if self._snapshot is not None:
            with contextlib.suppress(FileNotFoundError):
                found = self._snapshot.read_bytes()
                self._snapshot.unlink()
                coverage.add(found)

    def save(self) -> None:
        """Have it save, and wait for that: its link ends then, so that it cannot later."""
        if (client := self.client) is not None and not loop.runs_here():
            waiter = ReplyWaiter()
            client.agent.cover(messages.SAVE, "", waiter)
            patience = _Patience(self._life.process.local_pid())
            while patience.left() and not waiter.pause(_POLL_SECONDS):
                pass
            self._over = True  # a kill must not wait once more


class _Patience:
    """How long to wait for a peer to save."""

    def __init__(self, pid: int | None) -> None:
        self._pid = pid
        self._begin = self._awake = monotonic()
        self._used = procfs.processor_seconds(pid)

    def left(self) -> bool:
        """Return whether it may still save, in a moment."""
        now = monotonic()
        if procfs.wants_processor(self._pid):
            self._awake = now
        if now - self._awake > _GIL_SECONDS:
            return False
        used = procfs.processor_seconds(self._pid) - self._used
        return now - self._begin < _SECONDS and used < _GIL_SECONDS


_of_lives: weakref.WeakSet[PeerCoverage] = weakref.WeakSet()


def _switch_all() -> None:
    """Tell all peers the context of the origin, and wait until they have switched to it."""
    until = monotonic() + _GIL_SECONDS
    clients = [client for each in list(_of_lives) if (client := each.client) is not None]
    for waiter in [client.agent.send_context() for client in clients]:
        if waiter is not None and not loop.runs_here():
            waiter.pause(max(0.0, until - monotonic()))


coverage.switched.append(_switch_all)
