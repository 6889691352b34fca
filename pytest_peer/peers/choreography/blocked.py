"""Wait until a call waits itself: `PeerFuture.wait_blocked`."""

from __future__ import annotations

import traceback
from collections.abc import Sequence
from typing import TYPE_CHECKING, final
from unittest import SkipTest

from ...core import threads
from ...core.clock import monotonic, sleep, standstill
from ...core.errors import NotBlocked, PeerDown, PeerError, StillBooting
from ...link.futures import PeerFuture
from .holders import holders
from .processes import owners

if TYPE_CHECKING:
    from ..lifecycle import PeerLife
    from ..peer import Peer

#: Seconds for which the agent looks before it answers, and for the answer beside these.
_LOOK_SECONDS = 1.0
_ANSWER_SECONDS = 0.5
#: Seconds before the agent is asked again, when a reply is on the way in either direction.
_PAUSE_SECONDS = 0.001


@final
class Blocked:
    """What a call of a peer waits for."""

    def __init__(
        self,
        on: str,
        holder: Peer | None = None,
        frames: Sequence[tuple[str, int, str]] = (),
        thread: tuple[int, int] | None = None,
    ) -> None:
        """:private: `PeerFuture.wait_blocked` makes it."""
        #: For what: ``"flock /x/store.lock"``, ``"recv 127.0.0.1:5432"``, ``"lock"``, ``"sleep"``.
        self.on = on
        #: The peer that has it, if the kernel says so.
        self.holder = holder
        #: :private: the process and thread that wait, of a peer on this machine.
        self.thread = thread
        self._frames = tuple(frames)

    @property
    def stack(self) -> str:
        """Where the call waits in its Python code, as in a traceback."""
        frames = [(file, line, name, None) for file, line, name in self._frames]
        return "".join(traceback.StackSummary.from_list(frames).format())

    def __repr__(self) -> str:
        held = f", held by {self.holder.name}" if self.holder is not None else ""
        return f"<Blocked on {self.on}{held}>"


def wait(life: PeerLife, future: PeerFuture, timeout: float | None) -> Blocked:
    """Wait until that call of `life` waits; see `PeerFuture.wait_blocked`."""
    begun, prompts = monotonic(), standstill.count
    while True:
        if future.done():
            raise _ended(life, future)
        if standstill or prompts != standstill.count:  # a debugger: the limit begins anew
            begun, prompts = monotonic(), standstill.count
        left = _LOOK_SECONDS
        if timeout is not None:
            left = min(left, begun + timeout - monotonic())
        how, on, thread, syscall, frames, asks = _asked(life, future.ident, max(0.0, left))
        # An answer of ours may be on its way to it.
        if how == "waits" and not future.done() and life.owner.relay.owes(life, asks):
            pid = life.process.local_pid()
            place = None if pid is None else (pid, thread)
            return Blocked(on, _holder(life, on, thread, syscall), frames, place)
        if how == "unknown":
            raise unknown(on)
        if left <= 0:
            break
        if how != "runs":
            sleep(_PAUSE_SECONDS)
    if future.done():
        raise _ended(life, future)
    stacks = life.owner.with_deadlock(life.stacks.record("a call was expected to wait"))
    raise NotBlocked(f"a call of {life.record.whom()} still runs after {timeout:g} s", stacks)


def unknown(why: str) -> Exception:
    """Return what says that nothing is known of threads: the test is skipped, but on no Linux."""
    return SkipTest(why) if why.startswith("/proc") else PeerError(why)


def _asked(
    life: PeerLife, call: int, limit: float
) -> tuple[str, str, int, str, list[tuple[str, int, str]], int]:
    try:
        return life.client.agent.waits(call, limit, limit + _ANSWER_SECONDS)
    except TimeoutError as exc:
        if exc.args and not isinstance(exc, StillBooting):  # a signal handler's
            raise
    except PeerDown:  # the call fails as well
        pass
    return "absent", "", 0, "", [], 0


def _holder(life: PeerLife, on: str, thread: int, line: str) -> Peer | None:
    """Return the only peer that has what a thread of `life` waits for."""
    others = [each for each in life.owner.left() if each is not life]
    if on.startswith("call "):
        named = [each for each in others if each.options.name == on.removeprefix("call ")]
        return named[0].lives.peer if named else None
    pid = life.process.local_pid()
    if pid is None or not others:
        return None
    wait = threads.wait_of(pid, thread, line)
    of = owners(others)
    found = {of[each] for each in holders(pid, wait, of)} if wait is not None else set()
    return found.pop().lives.peer if len(found) == 1 else None


def _ended(life: PeerLife, future: PeerFuture) -> NotBlocked:
    if future.cancelled():
        return NotBlocked(f"a call of {life.record.whom()} was cancelled")
    value, exc = future.outcome(0)
    how = f"returned {value!r}" if exc is None else f"raised {type(exc).__name__}: {exc}"
    error = NotBlocked(f"a call of {life.record.whom()} does not wait, it has {how}")
    error.__cause__ = exc
    return error
