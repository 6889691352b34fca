"""Who reads the link: the main thread while it has nothing else to do, otherwise a thread that stands by.

The main thread runs what it has read itself, so a call wakes no thread. While it does, nobody reads; the thread that stands by
takes the link over when one call takes longer than a moment. It gives it back with the first call that finds the main thread free.
So short calls that come together run one after the other on the main thread, and none waits for a long one.
"""

from __future__ import annotations

import _thread
import queue
from collections import deque

#: Seconds that a call has the main thread before others are taken out of its way.
_TICK = 0.001
#: So many of them without a call, and the thread that stands by sleeps: waking it costs a call more than its ticks do.
_IDLE_TICKS = 50


class Reading:
    """Gives calls to the main thread, which asks for them with `next`, or to `run_beside`.

    :param read: reads once, waits for that, and calls `arrived` for every call.
    :param run_beside: runs a call on another thread; returns whether it could.
    """

    def __init__(self, read, run_beside):
        self._read = read
        self._run_beside = run_beside
        self._lock = _thread.allocate_lock()
        self._arrived = deque()  # belongs to who reads
        self._handed = queue.SimpleQueue()  # for the main thread, while it does not read
        self._main_reads = True
        self._retired = False
        self._calls = 0  # that the main thread has begun
        #: Whether the main thread is in a call.
        self.busy = False
        self._started = False
        self._asleep = True
        self._alarm = _thread.allocate_lock()
        self._alarm.acquire()

    def arrived(self, job):
        """Called by who reads."""
        self._arrived.append(job)

    def take(self):
        """The call that has arrived; for who knows that there is one, and nobody else here yet."""
        return self._arrived.popleft()

    def next(self):
        """On the main thread: wait for a call, or for what was given to `end`."""
        while True:
            if self._retired and self._main_reads:
                with self._lock:
                    self._main_reads = False
                self._wake()
            # In this order: who gives the link back has handed out a call before.
            if not self._main_reads or not self._handed.empty():
                return self._handed.get()
            if not self._arrived:
                self._read()
                continue
            with self._lock:
                if not self._main_reads:
                    continue  # `end` has taken the main thread's time, and who stands by what has arrived
                # Not after it: who stands by may have found that this takes long, and have taken it.
                job = self._arrived.popleft()
                self.busy = True
                self._calls += 1
                asleep, self._asleep = self._asleep, False
            if asleep:
                self._wake()
            return job

    def hand_over(self):
        """On the main thread, in a call that waits for something to be read: have another thread read. Returns whether one can.

        The main thread itself had better not: a signal's handler, which may raise, would do so in the middle of a message.
        """
        with self._lock:
            self._main_reads = False
        self._wake()
        if not self._started:
            with self._lock:
                self._main_reads = True
        return self._started

    def free(self):
        """The main thread has done with its call. Before its reply is sent: the call which that sets off must find it free."""
        with self._lock:
            if self._handed.empty():
                self.busy = False

    def end(self, finish):
        """Give `finish` to the main thread instead of a call; return whether it is free to take it now."""
        with self._lock:
            free, self.busy = not self.busy, True
            self._handed.put(finish)
        return free

    def retire(self):
        """Called by who reads: from now on it is not the main thread."""
        self._retired = True

    def _wake(self):
        if not self._started:
            try:
                _thread.start_new_thread(self._stand_by, ())
            except RuntimeError:  # no more threads: the next call tries again
                self._asleep = True
                return
            self._started = True
            return
        try:
            self._alarm.release()
        except RuntimeError:
            pass  # it is being woken

    def _stand_by(self):
        idle = 0
        while True:
            seen = self._calls
            self._alarm.acquire(True, _TICK)
            with self._lock:
                if self._main_reads and self.busy and self._calls == seen:
                    self._main_reads = False
                reads = not self._main_reads
                idle = 0 if self.busy or self._calls != seen else idle + 1
                asleep = self._asleep = not reads and idle == _IDLE_TICKS
            if reads:
                self._read_for_all()
            elif asleep:
                self._alarm.acquire()
            else:
                continue
            idle = 0

    def _read_for_all(self):
        while True:
            while self._arrived:
                job = self._arrived.popleft()
                with self._lock:
                    free = not self.busy
                    if free:
                        self.busy = True
                        self._calls += 1
                        self._handed.put(job)
                        self._main_reads = not self._retired
                        if self._main_reads:
                            return
                if not free and not self._run_beside(job):
                    self._handed.put(job)  # late is better than never
            self._read()
