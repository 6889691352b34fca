"""Reads the link: on the main thread while that is idle, otherwise on a standby thread.

The main thread runs the calls that it reads, so a call wakes no other thread. When one takes longer
than a moment, the standby thread takes the link over, and returns it with the first call that finds
the main thread idle. So short calls that arrive together run on the main thread one after the
other, and none waits for a long one.

While a call on the main thread waits for an answer, that thread reads the link too, for a moment.
A signal handler may raise there between any two steps of Python code, or ask something itself. So
all that is read goes to the receiver's `chunks` in one call of C code, and if it is anything but
that answer, the standby thread takes it over.
"""

from collections import deque

from ..core.locks import Lock, transfer
from ..link.protocol.receiver import READ_SIZE
from ..link.protocol.unpatched import _thread, os, queue, select, threading

#: Seconds that a call has the main thread before others are taken out of its way.
_TICK = 0.001
#: The standby thread sleeps after so many ticks without a call; they cost less than waking it.
_IDLE_TICKS = 50
#: Milliseconds in which the main thread reads an answer itself; those of short calls need one.
_ANSWER_MS = 2
#: After an answer that it could not read itself it leaves the next ones; so many at the most.
_MOST_LEFT = 127
_SIZES = (READ_SIZE,)
_WATCHED = (select.POLLIN,)


class LinkReader:
    """Gives calls to the main thread, which takes them with `next`, or to `run_beside`.

    That returns whether it could. `read` waits for data, and adds every call in it to `arrived`.
    """

    def __init__(self, read, run_beside, fd, receiver):
        self._read = read
        self._receiver = receiver
        self._run_beside = run_beside
        self._lock = Lock()
        self.arrived = deque()  # calls; used only by the thread that reads
        self.handed = queue.SimpleQueue()  # for the main thread, while it does not read
        self._main_reads = True
        # The descriptor is in one of these: while the main thread may read it, while it does so in a
        # call, and while the standby thread does.
        self._unread, self._reading, self._taken = deque((fd,)), deque(), deque()
        self._answered = False  # the main thread; used only by the thread that reads
        # The main thread backs off: it leaves so many answers to the standby thread, of `_backoff`.
        # At a barrier, or while messages come, each try would only pass the link on and back.
        self._left = self._backoff = 0
        self.retired = False  # the main thread reads no more; set by the thread that reads
        self._calls = 0  # that the main thread has begun, and answers that it has waited for
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
        if not self._started:
            self.start()
        if self._started:
            # A signal handler, which calls this, may have interrupted `answer`.
            transfer(self._reading, self._unread)
            transfer(self._unread, self._taken)
            self._main_reads = False
            self._wake()
        return self._started

    def answer(self, ident):
        """Return kind and payload of that answer if it comes next, and soon; else ``None``."""
        if threading.get_ident() != threading.main_thread().ident:
            return None
        if self._left:
            self._left -= 1
            return None
        if not self.busy or self.arrived or not self._receiver.between_frames():
            return None
        try:
            # Without the lock: a handler may ask here, and needs the standby thread, which needs it.
            if transfer(self._unread, self._reading):
                found = self._read_answer(ident)
                self._backoff = 0 if found else min(2 * self._backoff + 1, _MOST_LEFT)
                self._left = self._backoff
                return found
            return None
        finally:
            try:
                self._calls += 1  # the standby thread is not to come at once
                transfer(self._reading, self._unread)
            except BaseException:  # an interrupt came before that
                transfer(self._reading, self._unread)
                raise

    def _read_answer(self, ident):
        poll, chunks = select.poll(), self._receiver.chunks
        try:
            deque(map(poll.register, self._reading, _WATCHED), 0)
            if not poll.poll(_ANSWER_MS):
                return None
            chunks.extend(map(os.read, self._reading, _SIZES))
            data = chunks[0]
        except (OSError, IndexError, RuntimeError):  # a handler has had the link handed over
            return None
        found = self._receiver.whole_reply(ident, data)
        if found is not None:
            try:
                chunks.remove(data)
            except ValueError:
                pass  # as above: the standby thread has it as well
        return found

    def reads_answer(self):
        """Return whether the main thread is in `answer`, so that it goes on in a moment."""
        return bool(self._reading)

    def answered(self):
        """Note that the main thread has got an answer; on the thread that reads."""
        self._answered = not self._left

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
                slow = self._main_reads and self.busy and self._calls == seen
                if slow and transfer(self._unread, self._taken):
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
                        if not self.retired:
                            self._return()
                            return
                if not free and not self._run_beside(job):
                    self.handed.put(job)  # no more threads: it runs on the main thread later
            if self._answered:  # the main thread may be about to ask again, and to read the answer
                self._answered = False
                with self._lock:
                    # Once its call has ended, it waits for one that is handed to it.
                    if self.busy and not self.retired:
                        self._calls += 1
                        self._return()
                        return
            self._read()

    def _return(self):
        """Let the main thread read; with the lock held."""
        transfer(self._taken, self._unread)
        self._main_reads = True
