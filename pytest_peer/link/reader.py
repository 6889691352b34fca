"""The reader of a link at the origin: the event loop's thread, or the main thread during a call.

A caller that reads by itself needs no other thread to wake it, which is most of the cost of a call.
The lock to read is the descriptor itself, which is transferred from one deque to another. A signal
handler may raise in the main thread between any two steps, or make a call of its own there.
Therefore each step of the main thread is one call of C code, which happens as a whole, and may be
repeated: take the lock, read, compare, and remove the reply from the queue only when it is at hand.
The event loop's thread, which no handler interrupts, does everything else.
"""

import contextlib
import errno
import math
import os
import select
import threading
from collections import deque
from collections.abc import Callable
from selectors import EVENT_READ
from typing import Protocol

from ..core.clock import monotonic, sleep
from ..core.locks import ReadLock, transfer
from ..core.loop import loop
from ..core.worker import report_unraisable
from .futures import Reply
from .protocol.messages import Payload
from .protocol.receiver import READ_SIZE, FrameReceiver

#: A caller that reads checks this often whether its reply, or the link's end, has come otherwise.
_CHECK_SECONDS = 0.1
#: One turn reads so many times, a pipe's content each.
_AT_ONCE = 4
#: How long `stop` waits for a reader to notice, and how often it checks.
_STOP_SECONDS = 1.0
_STOP_POLL = 0.001

_READ_SIZES = (READ_SIZE,)
_WATCHED = (EVENT_READ,)
_UNWATCHED = (0,)


class Output(Protocol):
    """What the peer writes to its stdout and stderr."""

    descriptors: tuple[int, ...]  # of pipes in which it comes

    def drain(self) -> None:
        """Read what is there now. For the thread that reads the link, not the main one."""

    def is_unshown(self) -> bool:
        """Return whether there is more to do than to read the pipes."""


class ReplyWaiter:
    """One caller that waits for one reply; a third of the cost of a future."""

    __slots__ = ("_arrived", "_reply", "settled", "warnings")

    def __init__(self) -> None:
        self._arrived = threading.Lock()
        self._arrived.acquire()
        self._reply: Reply | BaseException | None = None
        #: Whether `wait` returns at once.
        self.settled: bool = False
        #: Warnings of the call, still encoded.
        self.warnings: list[Payload] | None = None

    def deliver(self, reply: Reply | BaseException) -> None:
        """Take the reply, still encoded, or what `wait` raises because none will come."""
        self._reply = reply
        self.settled = True
        with contextlib.suppress(RuntimeError):  # another thread has done it
            self._arrived.release()

    fail = deliver

    def pause(self, timeout: float) -> bool:
        """Wait for the reply; return whether it came in time."""
        return self.settled or self._arrived.acquire(timeout=min(timeout, threading.TIMEOUT_MAX))

    def wait(self, timeout: float) -> Reply:
        """Wait for the reply; raise TimeoutError if it does not come in time."""
        if not self.pause(timeout) and not self.settled:
            raise TimeoutError
        if isinstance(self._reply, BaseException):
            raise self._reply
        assert self._reply is not None
        return self._reply


class Reader:
    """Read the descriptor `fd`, which becomes non-blocking.

    :param output: what the peer writes. A reply comes after the output of its call, so the main
        thread takes no reply while there is some: the receiver drains it, in other threads.
    :param on_end: called once, on a thread that must not wait, when nothing more will come.
    """

    def __init__(
        self, fd: int, receiver: FrameReceiver, output: Output, on_end: Callable[[], object]
    ) -> None:
        os.set_blocking(fd, False)
        self._fd = fd
        self._receiver = receiver
        self._output = output
        self._on_end = on_end
        self._free: ReadLock = deque((fd,))
        self._main: ReadLock = deque()
        # Several, because a signal handler may wait here while it interrupts another poll.
        self._polls: deque[select.poll] = deque()
        self._watch: Callable[[int, int], object]
        self._ended = False

    def start(self) -> None:
        """Begin to read; what has come already is delivered at once."""
        loop.add(self._fd, self._ready)
        self._watch = loop.events_setter()

    def wait(self, waiter: ReplyWaiter, ident: int, timeout: float | None) -> Reply:
        """Wait for the reply, or raise TimeoutError. The main thread reads if no other one does."""
        deadline = math.inf if timeout is None else monotonic() + timeout
        if threading.get_ident() == threading.main_thread().ident:
            try:
                # If another thread reads, it delivers the reply. If this signal handler has
                # interrupted a read of the main thread, that read fails from now on.
                if transfer(self._free, self._main):
                    reply = self._read_on_main(waiter, ident, deadline)
                    if reply is not None:
                        return reply
            finally:
                try:
                    self.leave()
                except BaseException:  # an interrupt came between the steps
                    self.leave()
                    raise
            # In short waits: a signal just before a wait does not end it, and Ctrl-C would come
            # after the call.
            while not waiter.settled and (left := max(0.0, deadline - monotonic())):
                waiter.pause(min(left, _CHECK_SECONDS))
        return waiter.wait(max(0.0, deadline - monotonic()))

    def is_quiet(self) -> bool:
        """Return whether nothing that was read is still to be handled."""
        # Another thread that reads has the lock somewhere else.
        idle = bool(self._free or self._main) or self._ended
        return idle and self._receiver.between_frames()

    def stop(self) -> None:
        """Read no more: the descriptor may be closed then. All waiters must be settled before."""
        lock: ReadLock = deque()
        deadline = monotonic() + _STOP_SECONDS
        while not self._ended and not transfer(self._free, lock):
            if monotonic() > deadline:
                self._main.clear()  # a handler delays the main thread, whose read fails from now on
                break
            sleep(_STOP_POLL)
        self._ended = True
        loop.remove(self._fd)

    def _read_on_main(self, waiter: ReplyWaiter, ident: int, deadline: float) -> Reply | None:
        receiver, lock = self._receiver, self._main
        if not receiver.between_frames():
            return None
        _each(self._watch, lock, _UNWATCHED)
        # Output that was written before the reply is there with it, so the same poll finds both.
        found = self._poll(waiter, deadline)
        if [fd for fd, _ in found] != [self._fd] or self._output.is_unshown():
            return None
        try:
            receiver.chunks.extend(map(os.read, lock, _READ_SIZES))
            data = receiver.chunks[0]
        except (OSError, IndexError, RuntimeError):  # a handler had the lock between these calls
            return None
        reply = receiver.whole_reply(ident, data)
        if reply is None:
            return None
        try:
            receiver.chunks.remove(data)
        except ValueError:  # a handler has left it to the event loop
            pass
        return reply

    def _poll(self, waiter: ReplyWaiter, deadline: float) -> list[tuple[int, int]]:
        """Wait until there is something to read, `waiter` is settled, or the time is over."""
        try:
            poll = self._polls.pop()
        except IndexError:
            poll = select.poll()
            for fd in (self._fd, *self._output.descriptors):
                poll.register(fd, select.POLLIN)
        try:
            while not waiter.settled and (left := max(0.0, deadline - monotonic())):
                if found := poll.poll(min(left, _CHECK_SECONDS) * 1000):
                    return found
            return []
        except OSError as exc:
            if exc.errno != errno.EINVAL:  # a signal handler raised it
                raise
            return []  # RLIMIT_NOFILE is lower than their number; the event loop needs no poll
        finally:
            self._polls.append(poll)

    def leave(self) -> None:
        """Let the event loop read, not the main thread, which calls this; may be repeated."""
        _each(self._watch, self._main, _WATCHED)
        transfer(self._main, self._free)
        if self._receiver.chunks and not self._ended:
            loop.call_later(0, self._ready)  # the loop sees only what is still in the pipe

    def _ready(self) -> None:
        lock: ReadLock = deque()
        if not transfer(self._free, lock):
            return
        try:
            self._receiver.take()
            for _ in range(_AT_ONCE):
                if not self._receiver.pull():
                    break
        except BlockingIOError:
            pass
        except (EOFError, OSError):
            self._end(lock)
        except Exception as exc:  # a fault of ours must not leave callers waiting
            self._end(lock)
            report_unraisable(exc)
        finally:
            transfer(lock, self._free)

    def _end(self, lock: ReadLock) -> None:
        self._ended = True
        lock.clear()  # for ever
        loop.remove(self._fd)
        self._on_end()


def _each(function: Callable[[int, int], object], lock: ReadLock, arguments: tuple[int]) -> None:
    """Call `function` if the lock is there, in one step."""
    while True:
        try:
            deque(map(function, lock, arguments), 0)
        except RecursionError:  # it would be the same the next time
            raise
        except RuntimeError:  # a handler had the lock in between, so the iterator is stale
            continue
        return
