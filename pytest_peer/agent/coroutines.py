"""Runs coroutines, on the one event loop of the peer, which lives as long as the peer.

The main thread runs it while coroutines or their tasks live: only there can they handle signals.
Otherwise a thread does, for servers and timers, and for coroutines that come while the main thread
is in a call. A task stays on its thread, as what it has opened may belong to that.
"""

import _signal  # type: ignore[import-not-found]
import sys
from functools import partial
from time import sleep
from typing import Any

from ..core.locks import Lock
from ..link.protocol import messages
from ..link.protocol.unpatched import _thread, queue, select
from . import call_warnings, failures
from .runtime import guarded

#: Seconds that the thread leaves the loop to the next call. To change threads takes longer.
_TICK = 0.001
_CO_COROUTINE = 0x80  # as in `inspect`


class EventLoop:
    """Runs coroutines for `calls`, a `Dispatcher`."""

    def __init__(self, calls):
        self._calls = calls
        self._asyncio: Any = None
        self._loop: Any = None
        self._making = Lock()  # not that of the calls: a policy of the user's makes the loop
        self._moves = False  # between the threads
        self._runs = _thread.allocate_lock()  # held for the thread that runs it
        self._times = 0  # that the main thread did
        self._answers = queue.SimpleQueue()  # whether the main thread may
        self._parked = self._leaving = False
        self._tasks = {}  # of calls, the oldest first, and what is to interrupt each
        self._by_number = {}
        self._coming = set()  # numbers of calls for which the loop has not had time
        #: Numbers of calls. That of one whose reply was on its way stays.
        self.cancelled = set()
        self._replies = []

    def prepare(self, start_thread):
        """Make the loop, and start its thread, if that has not been done."""
        import asyncio

        call_warnings.end()
        with self._making:
            if self._loop is None:
                self._asyncio = asyncio
                # What gevent puts into `select` belongs to the thread that makes a loop with it.
                self._moves = vars(sys.modules["select"]).get("poll") is select.poll
                loop = asyncio.new_event_loop() if self._moves else None
                outcome = queue.SimpleQueue()
                start_thread("peer-event-loop", self._live, loop, outcome.put)
                failure = outcome.get()
                if failure is not None:
                    raise failure

    def run(self, kind, ident, coroutine, on_main):
        """Run it here, until no task lives, or have the thread run it."""
        self._coming.add(ident)
        may = on_main and self._moves
        mine = may and self._runs.acquire(False)
        if may and not (mine or self._tasks):  # else it would wait for a task that blocks
            self._loop.call_soon_threadsafe(self._park)
            mine = self._answers.get()
        if mine:
            self._begin(kind, ident, coroutine)
            self._run_on_main()
        else:
            if on_main:
                self._calls.reader.free()
            self._loop.call_soon_threadsafe(self._begin, kind, ident, coroutine)

    def cancel(self, ident):
        """Cancel the coroutine of a call, if it has or will have one; on the thread that reads."""
        self.cancelled.add(ident)
        if self.has(ident):
            self._calls.begun(ident)  # its clean-up is
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._cancel, ident)

    def has(self, ident):
        """Return whether a call has a coroutine that has not ended."""
        return ident in self._by_number

    def task_of(self, ident):
        """Return the task of a call's coroutine that has not ended, or ``None``."""
        return self._by_number.get(ident)

    def has_begun(self):
        """Return whether the loop has had time for all coroutines that there are."""
        return not self._coming

    def tasks(self):
        """Return the tasks of calls by their numbers; ``None`` for one that has not begun."""
        coming = dict.fromkeys(tuple(self._coming))
        return {**coming, **self._by_number}

    def thread(self):
        """Return the thread that runs the loop; ``None`` if none does."""
        return getattr(self._loop, "_thread_id", None)

    def leave(self):
        """Let the main thread go, whatever tasks live: the calls have ended."""
        self._leaving = True
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _live(self, loop, made):
        try:
            self._loop = loop or self._asyncio.new_event_loop()
        except BaseException as exc:
            made(exc)
            return
        made(None)
        while True:
            with self._runs:
                times = self._times
            sleep(_TICK)
            if self._times == times and self._runs.acquire(False):
                while not self._parked:
                    self._run_loop()
                    self._reply()
                self._parked = False
                self._answers.put(True)  # with the lock

    def _park(self):
        self._parked = not self._has_tasks()
        if self._parked:
            self._loop.stop()
        else:
            self._answers.put(False)

    def _run_on_main(self):
        self._times += 1
        before, wakes = -1, getattr(self._loop, "_csock", None)  # of asyncio's own loops
        if wakes is not None:  # else a signal that comes just before it waits has no effect
            before = _signal.set_wakeup_fd(wakes.fileno())
        # As `asyncio.run` does: an exception between its own steps would make it lose a task.
        if _signal.getsignal(_signal.SIGINT) == _signal.default_int_handler:
            _signal.signal(_signal.SIGINT, self._interrupted)
        self._run_loop()
        while self._has_tasks() and not self._leaving:
            self._reply()
            self._run_loop()
        self.leave_sigint()
        if before != -1:
            _signal.set_wakeup_fd(before)
        self._calls.reader.free()  # before the reply, see `LinkReader`
        self._reply()
        self._runs.release()

    def leave_sigint(self):
        """Give SIGINT back to Python; also in a forked child."""
        if _signal.getsignal(_signal.SIGINT) == self._interrupted:
            _signal.signal(_signal.SIGINT, _signal.default_int_handler)

    def _has_tasks(self):
        for task in self._asyncio.all_tasks(self._loop):
            task.remove_done_callback(self._stop)
            task.add_done_callback(self._stop)  # to look again
            return True
        return False

    def _stop(self, *_):
        self._loop.stop()

    def _run_loop(self):
        try:
            self._loop.run_forever()
        except BaseException as exc:
            self._calls.end_if_forked(exc, False)
            import traceback

            codes = [frame.f_code for frame, _ in traceback.walk_tb(exc.__traceback__)]
            if self._drive.__code__ in codes:
                raise  # there is no reply
            if any(code.co_flags & _CO_COROUTINE for code in codes):
                return  # it is of a task, which keeps it for who awaits that
            if all(code.co_name != "select" for code in codes):
                raise  # asyncio was between two steps, and may have lost a task
            self._interrupt(exc)

    def _interrupted(self, _, frame):
        codes = set()
        while frame is not None:
            codes.add(frame.f_code)
            frame = frame.f_back
        in_task = self._asyncio.current_task(self._loop) in self._tasks
        # Code of the user's may have put this handler back when no coroutine runs here.
        if self._run_on_main.__code__ not in codes or (self._drive.__code__ in codes and in_task):
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._interrupt, KeyboardInterrupt())

    def _interrupt(self, exc):
        """Make the oldest coroutine end with `exc`; raise that if there is none, or did not end."""
        oldest = next(iter(self._tasks), None)
        if oldest is None or self._tasks[oldest] is not None:
            raise exc
        self._tasks[oldest] = exc
        oldest.cancel()

    def _begin(self, kind, ident, coroutine):
        task = self._loop.create_task(self._drive(kind, ident, coroutine))
        task.add_done_callback(partial(guarded, self._ended, kind, ident, coroutine))
        self._by_number[ident] = task
        self._coming.discard(ident)
        if ident in self.cancelled:
            task.cancel()

    def _cancel(self, ident):
        if ident in self._by_number:
            self._by_number[ident].cancel()

    def _ended(self, kind, ident, coroutine, task):
        del self._by_number[ident]
        try:
            task.result()  # what has left `_drive` ends the peer: there is no reply
        except self._asyncio.CancelledError as exc:  # before it began
            coroutine.close()
            self._replies.append((kind, ident, *self._calls.described(exc, ident)))
            self._loop.stop()

    async def _drive(self, kind, ident, coroutine):
        task = self._asyncio.current_task()
        interrupt: Any = None
        self._tasks[task] = None
        if kind == messages.CALL:
            call_warnings.begin(ident)
        self._calls.begun(ident)
        try:
            try:
                value = await coroutine
            finally:
                interrupt = self._tasks.pop(task)
            self._calls.end_if_forked(None, False)
            # A copy, so that the event loop does not wait until it has been sent.
            data = (
                b""
                if kind == messages.CAST
                else messages.snapshot(self._calls.packed(value, ident))
            )
            reply = messages.RESULT, data
        except BaseException as exc:
            self._calls.end_if_forked(exc, False)
            if interrupt is not None and isinstance(exc, self._asyncio.CancelledError):
                exc = interrupt.with_traceback(exc.__traceback__)
            if failures.ending:
                return
            reply = self._calls.described(exc, ident)
        call_warnings.end()
        self._replies.append((kind, ident, *reply))
        if len(self._asyncio.all_tasks()) > 1:
            self._reply()  # the others may block the loop before it stops
        self._loop.stop()

    def _reply(self):
        while self._replies:
            self._calls.reply(*self._replies.pop(0), False)
