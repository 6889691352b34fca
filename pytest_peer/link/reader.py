"""Who reads a link at the origin: the watcher's thread, or a caller that waits for its answer.

A caller that reads by itself needs no other thread to wake it, which is most of what a call costs. There is one right to read,
the descriptor itself, which goes from hand to hand. A signal handler may raise in the main thread between any two steps, or make a
call of its own there. So what the main thread does here are steps that happen as a whole, each one call of C code, and may be
repeated: it takes the right, reads, looks, and takes its answer off only when it has it. All that is not just its answer it leaves
to the watcher's thread, which no handler interrupts.
"""

from __future__ import annotations

import os
import select
import threading
from collections import deque
from collections.abc import Callable
from collections.abc import Sequence
from selectors import EVENT_READ

from ..core.clock import monotonic
from ..core.clock import sleep
from ..core.errors import PeerError
from ..core.loop import watcher
from ..core.unraisable import tell
from .futures import Answer
from .futures import ReplyWaiter
from .protocol.receiver import READ_SIZE
from .protocol.receiver import FrameReceiver

__tracebackhide__ = True  # a report shows the test and the peer, not what is between

#: One who reads looks this often whether his answer, or the link's end, has come in another way.
_LOOK_SECONDS = 0.1
#: So long after several callers waited at the same time, none of them reads.
_CROWD_SECONDS = 0.05
#: Who reads for all reads so many times, a pipe's content each, before it looks at something else.
_AT_ONCE = 4

#: More frames than reading for all takes, with what others have asked to be told.
_FRAMES = 40

#: For who reads to see that there is nothing more to wait for, and how often that is looked at.
_STOP_SECONDS = 1.0
_STOP_POLL = 0.001

_READ_SIZES = (READ_SIZE,)
_WATCHED = (EVENT_READ,)
_UNWATCHED = (0,)
#: Empty, or with the descriptor in it.
ReadLock = deque[int]
_POP = deque.pop


class Reader:
    """Reads the non-blocking descriptor `fd`.

    :param outputs: the pipes that the peer's output comes through. What it wrote before an answer is there when the answer is,
        so the main thread takes no answer when something is in them: the intake drains them, in other threads.
    :param on_end: called once, on a thread that must not wait, when nothing more will come.
    """

    def __init__(
        self, fd: int, receiver: FrameReceiver, outputs: Sequence[int], on_end: Callable[[], object]
    ) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._receiver = receiver
        self._outputs = outputs
        self._on_end = on_end
        self._free: ReadLock = deque((fd,))
        self._main: ReadLock = deque()
        # Not one object each: a handler may wait here while what it has interrupted is in a poll.
        self._main_polls: deque[select.poll] = deque()
        self._polls: deque[select.poll] = deque()
        # One for each caller in another thread than the main one.
        self._callers: deque[None] = deque()
        self._crowded = 0.0  # when there were several, last
        self._inside: set[int] = set()  # the threads that are in `_follow` or `_ready`
        self._watch: Callable[[int, int], object]
        self._ended = False

    def start(self) -> None:
        """Begin to read."""
        watcher.add(self._fd, self._ready)
        self._watch = watcher.events_setter()

    def wait(self, waiting: ReplyWaiter, ident: int, timeout: float | None) -> Answer:
        """Wait for the answer with that id, by reading if nobody else does.

        :raises TimeoutError: it did not come in time.
        :raises PeerError: this very thread would have to read it, and is in the middle of that.
        """
        deadline = None if timeout is None else monotonic() + timeout
        if threading.get_ident() != threading.main_thread().ident:
            self._follow(waiting, deadline)
        elif (answer := self._try_main(waiting, ident, deadline)) is not None:
            return answer
        else:
            # Not at once: a signal that comes just before a wait does not end it, and Ctrl-C would come after the call.
            while not waiting.settled and (left := _left(deadline)) != 0:
                waiting.pause(_LOOK_SECONDS if left is None else min(_LOOK_SECONDS, left))
        return waiting.wait(_left(deadline))

    def _try_main(self, waiting: ReplyWaiter, ident: int, deadline: float | None) -> Answer | None:
        hand, answer = self._main, None
        try:
            if _move(self._free, hand):
                answer = self._lead_main(waiting, ident, deadline)
            # Who reads else brings the answer. If that is what this very handler has interrupted, it does not from now on.
        finally:
            try:
                self._leave(hand)
            except BaseException:  # the second half of an interrupted step is to do it again
                self._leave(hand)
                raise
        return answer

    def _follow(self, waiting: ReplyWaiter, deadline: float | None) -> None:
        """In other threads: read for all until the answer is there, but not where several wait."""
        thread = threading.get_ident()
        if thread in self._inside or watcher.runs_here():
            raise PeerError(
                "a call in a finalizer, in the middle of another call: who would read its answer is below it; "
                "use `cast` or `submit`"
            )
        hand: ReadLock = deque()
        self._inside.add(thread)
        self._callers.append(None)
        try:
            # With several, each turn would end with waking the next to read; the watcher takes many answers at one reading.
            if len(self._callers) > 1:
                self._crowded = monotonic()
            elif (
                monotonic() - self._crowded > _CROWD_SECONDS
                and _is_room(_FRAMES)
                and _move(self._free, hand)
            ):
                _each(self._watch, hand, _UNWATCHED)
                # First what the main thread has read and left: nothing in the pipe tells of it.
                while hand and (
                    self._receiver.chunks or self._poll(self._polls, (self._fd,), waiting, deadline)
                ):
                    self._advance(hand)
        finally:
            self._callers.pop()
            if hand:
                self._leave(hand)
            self._inside.discard(thread)

    def stop(self) -> None:
        """Read no more: when this returns the descriptor may be closed. All who wait must have been told before."""
        hand: ReadLock = deque()
        deadline = monotonic() + _STOP_SECONDS
        while not self._ended and not _move(self._free, hand):
            if monotonic() > deadline:
                self._main.clear()  # a handler holds up the main thread; it cannot read when that returns
                break
            sleep(_STOP_POLL)
        self._ended = True
        watcher.remove(self._fd)

    def _lead_main(self, waiting: ReplyWaiter, ident: int, deadline: float | None) -> Answer | None:
        receiver, hand = self._receiver, self._main
        if not receiver.between_frames():
            return None
        _each(self._watch, hand, _UNWATCHED)
        # What was written before the answer is there when the answer is, and so found by the same poll.
        found = self._poll(self._main_polls, (self._fd, *self._outputs), waiting, deadline)
        if [fd for fd, _ in found] != [self._fd]:
            return None
        try:
            receiver.chunks.extend(map(os.read, hand, _READ_SIZES))
            data = receiver.chunks[0]
        except (OSError, IndexError, RuntimeError):  # a handler had the right between these calls
            return None
        answer = receiver.whole_answer(ident, data)
        if answer is None:
            return None
        try:
            receiver.chunks.remove(data)
        except ValueError:  # a handler has left it to the watcher
            pass
        return answer

    def _poll(
        self,
        polls: deque[select.poll],
        fds: Sequence[int],
        waiting: ReplyWaiter,
        deadline: float | None,
    ) -> list[tuple[int, int]]:
        """Wait until there is something to read, `waiting` has its answer, or it is too late for it."""
        try:
            poll = polls.pop()
        except IndexError:
            poll = select.poll()
            for fd in fds:
                poll.register(fd, select.POLLIN)
        try:
            while not waiting.settled:
                left = _left(deadline)
                if left == 0:
                    break
                seconds = _LOOK_SECONDS if left is None else min(_LOOK_SECONDS, left)
                if found := poll.poll(seconds * 1000):
                    return found
            return []
        except OSError:  # RLIMIT_NOFILE is lower than their number: the watcher needs no poll
            return []
        finally:
            polls.append(poll)

    def _leave(self, hand: ReadLock) -> None:
        """Let the watcher read; a step that may be repeated."""
        _each(self._watch, hand, _WATCHED)
        _move(hand, self._free)
        if self._receiver.chunks and not self._ended:
            watcher.call_later(0, self._ready)  # it sees only what is still in the pipe

    def _ready(self) -> None:
        hand: ReadLock = deque()
        if _move(self._free, hand):
            self._inside.add(threading.get_ident())
            try:
                self._advance(hand)
            finally:
                _move(hand, self._free)
                self._inside.discard(threading.get_ident())

    def _advance(self, hand: ReadLock) -> None:
        try:
            self._receiver.take()
            for _ in range(_AT_ONCE):
                if not self._receiver.pull():
                    break
        except BlockingIOError:
            pass
        except (EOFError, OSError):
            self._end(hand)
        except Exception as exc:  # a fault of ours must not leave anybody waiting
            self._end(hand)
            tell(exc)

    def _end(self, hand: ReadLock) -> None:
        self._ended = True
        hand.clear()  # nobody will have it any more
        watcher.remove(self._fd)
        self._on_end()


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(0.0, deadline - monotonic())


def _is_room(frames: int) -> bool:
    """Whether there are so many frames left. At the end of the stack what was begun could not be ended, and be lost."""
    try:
        return frames == 0 or _is_room(frames - 1)
    except RecursionError:
        return False


def _move(source: ReadLock, target: ReadLock) -> bool:
    """Take the right to read from one hand to another, at once and as a whole; return whether it was there."""
    try:
        target.extend(map(_POP, (source,)))
    except IndexError:
        return False
    return True


def _each(function: Callable[[int, int], object], hand: ReadLock, arguments: tuple[int]) -> None:
    """Call `function` if the right is in that hand, at once."""
    while True:
        try:
            deque(map(function, hand, arguments), 0)
        except RecursionError:  # it will be no other the next time
            raise
        except (
            RuntimeError
        ):  # a handler had it between the two calls here, so the iterator is stale
            continue
        return
