"""Reads the link: on the main thread while that is idle, otherwise on a standby thread.

The main thread runs the calls that it reads, so a call wakes no other thread. When one takes longer
than a moment, the standby thread takes the link over, and returns it with the first call that finds
the main thread idle. So short calls that arrive together run on the main thread one after the
other, and none waits for a long one.
"""

from collections import deque

from ..core.locks import Lock
from ..link.protocol.unpatched import _thread, queue

#: Seconds that a call has the main thread before others are taken out of its way.
_TICK = 0.001
#: The standby thread sleeps after so many ticks without a call; they cost less than waking it.
_IDLE_TICKS = 50


class LinkReader:
    """Gives calls to the main thread, which takes them with `next`, or to `run_beside`.

    That returns whether it could. `read` waits for data, and adds every call in it to `arrived`.
    """

    def __init__(self, read, run_beside):
        self._read = read
        self._run_beside = run_beside
        self._lock = Lock()
        self.arrived = deque()  # calls; used only by the thread that reads
        self.handed = queue.SimpleQueue()  # for the main thread, while it does not read
        self._main_reads = True
        self.retired = False  # the main thread reads no more; set by the thread that reads
        self._calls = 0  # that the main thread has begun
        self.busy = False  # the main thread is in a call
        self._started = False
        self._standby = 0  # the standby thread
        self.number = 0  # of that, in the kernel
        self._asleep = True
        self._alarm, self._runs = _thread.allocate_lock(), _thread.allocate_lock()
        self._alarm.acquire()
        self._runs.acquire()

    def next(self):
        """Wait for a call, or for the argument of `end`; on the main thread."""
        while True:
            if self.retired and self._main_reads:
                self.hand_over()
            # In this order: the standby thread hands out a call before it returns the link.
            if not self._main_reads or not self.handed.empty():
                return self.handed.get()
            if not self.arrived:
                self._read()
                continue
            with self._lock:
                if not self._main_reads:
                    # `end` was called, and the standby thread has taken the link and the calls.
                    continue
                # With the lock held: else the standby thread may find this slow, and take it too.
                job = self.arrived.popleft()
                self.busy = True
                self._calls += 1
                asleep, self._asleep = self._asleep, not self._started
            if asleep:
                self._wake()
            return job

    def hand_over(self):
        """Let the standby thread read for a call on the main thread; return whether it does."""
        if not self._main_reads:
            return self._started
        # On the main thread a signal handler could raise in the middle of a message.
        with self._lock:
            self._main_reads = False
        self._wake()
        if not self._started:
            with self._lock:
                self._main_reads = True
        return self._started

    def stands_by_here(self):
        """Return whether this is the standby thread."""
        return self._standby == _thread.get_ident()

    def free(self):
        """Mark the main thread as idle, before the reply: the next call must find it idle."""
        with self._lock:
            if self.handed.empty():
                self.busy = False

    def end(self, finish):
        """Give `finish` to the main thread instead of a call; return whether it is idle."""
        with self._lock:
            free, self.busy = not self.busy, True
            self.handed.put(finish)
        return free

    def start(self):
        """Start the standby thread, asleep. If there are no more threads, the next call tries."""
        try:
            _thread.start_new_thread(self._stand_by, ())
        except RuntimeError:
            return
        self._started = True
        # If it crashes before, faulthandler shows no stacks: only a "freed thread state".
        self._runs.acquire()

    def _wake(self):
        if not self._started:
            self.start()
        try:
            self._alarm.release()
        except RuntimeError:
            pass  # it is awake already

    def _stand_by(self):
        self._standby, self.number = _thread.get_ident(), _thread.get_native_id()
        self._runs.release()
        self._alarm.acquire()
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
            while self.arrived:
                job = self.arrived.popleft()
                with self._lock:
                    free = not self.busy
                    if free:
                        self.busy = True
                        self._calls += 1
                        self.handed.put(job)
                        self._main_reads = not self.retired
                        if self._main_reads:
                            return
                if not free and not self._run_beside(job):
                    self.handed.put(job)  # no more threads: it runs on the main thread later
            self._read()
