"""The event loop: one thread that waits for the descriptors and the timers of all peers.

The thread runs while there are peers. Callbacks run on it one at a time, and must be short. While
one runs, `remove` waits, so a descriptor may be closed right after it was removed. Descriptors that
are ready without a thread are called back when it runs again.
"""

import contextlib
import heapq
import itertools
import os
import selectors
import threading
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from .clock import monotonic, sleep
from .locks import Lock
from .sync import Event
from .worker import report_unraisable, start_thread, worker

#: Between an exception of a callback and the next callback, which may be the same one.
_AFTER_FAILURE = 0.01

#: Bound at import: a test may replace them, and that must not end the event loop.
_read, _write = os.read, os.write

T = TypeVar("T")
Callback = Callable[[], object]
#: When it is due, a number that tells timers of the same moment apart, and what is called then.
Timer = tuple[float, int, Callback]


class EventLoop:
    """Calls back when descriptors become ready, when a time has come, and when it is asked to."""

    def __init__(self) -> None:
        # Held while the callback of a descriptor runs, so that `remove` waits for it.
        self._lock = Lock()
        self._selector: selectors.BaseSelector | None = None
        # A pipe: a byte in it ends the wait of the thread.
        self._wake: tuple[int, int] = (-1, -1)
        self._close: Callable[[], object] = lambda: None
        self._timers: list[Timer] = []
        self._numbers = itertools.count()
        self._soon: deque[Callback] = deque()
        self._thread: threading.Thread | None = None
        self._users = 0  # for which it has to run
        self._reported = ""  # the last exception of a callback

    def start(self) -> None:
        """Keep the thread and the worker running until `leave`, also if this raises."""
        with self._lock:
            self._users += 1
            selector = self._opened()
            if self._thread is None:
                # It waits for the lock. If an interrupt comes before it is known here, it ends.
                self._thread = start_thread(partial(self._run, selector), "pytest-peer-loop")
            worker.start()

    def leave(self) -> None:
        """Take a `start` back: without any, both threads end."""
        with self._lock:
            self._users -= 1
            if not self._users:
                worker.rest()
        self._poke()

    def runs_here(self) -> bool:
        return self._thread is threading.current_thread()

    def add(self, fd: int, callback: Callback, events: int = selectors.EVENT_READ) -> None:
        with self._lock:
            selector = self._opened()
            selector.register(fd, events, callback)
            if not hasattr(selector, "fileno"):  # epoll and kqueue notice it while they wait
                self._poke()

    def remove(self, fd: int) -> None:
        """Forget `fd`, known or not. When this returns, its callback is not running."""
        with self._lock:
            if self._selector is not None:
                with contextlib.suppress(KeyError):
                    self._selector.unregister(fd)

    def events_setter(self) -> Callable[[int, int], object]:
        """Return a function that changes the events of a descriptor, in one call of C code.

        Without epoll it changes nothing: the callback is called until somebody has read.
        """
        epoll: Any = getattr(self._selector, "_selector", None)
        # It numbers events as `selectors` does, as far as they are used here.
        return epoll.modify if type(epoll).__name__ == "epoll" else lambda _fd, _events: None

    def call_soon(self, callback: Callback) -> None:
        """Call `callback` on the loop's thread; do nothing without one, when there are no peers.

        Takes no lock: any thread may post, from the middle of anything and from a signal handler.
        An interrupt leaves `callback` posted or not; the next post wakes the loop for it.
        """
        self._soon.append(callback)  # first: a thread that ends looks for it last
        if self._thread is not None or not self._taken_back(callback):
            self._poke()

    def call(self, function: Callable[[], T]) -> T:
        """Return or raise what `function` does on the loop; an interrupt ends only the wait."""
        # A signal handler may call this in the middle of `start`, and the loop needs the lock.
        if self.runs_here() or self._lock._is_owned():  # type: ignore[attr-defined]
            return function()
        done, outcome = Event(), list[Any]()

        def run() -> None:
            try:
                outcome.extend((function(), None))
            except BaseException as exc:
                outcome.extend((None, exc))
            done.set()

        self._soon.append(run)
        if self._thread is None and self._taken_back(run):
            return function()
        self._poke()
        done.wait()
        value, error = outcome
        if error is not None:
            raise error
        return value  # type: ignore[no-any-return]

    def _taken_back(self, callback: Callback) -> bool:
        with contextlib.suppress(ValueError):  # the thread has it
            self._soon.remove(callback)
            return True
        return False

    def call_later(self, seconds: float, callback: Callback) -> Timer:
        """Call `callback` once, `seconds` from now. What is returned is for `cancel`."""
        with self._lock:
            timer = (monotonic() + seconds, next(self._numbers), callback)
            heapq.heappush(self._timers, timer)
            if self._timers[0] is timer:
                self._poke()
            return timer

    def cancel(self, *timers: Timer) -> None:
        """Do not call back any more. A callback may be running just now."""
        with self._lock:
            self._timers = [timer for timer in self._timers if timer not in timers]
            heapq.heapify(self._timers)

    def _opened(self) -> selectors.BaseSelector:
        with self._lock:
            if self._selector is None:
                # Without descriptors it fails, and is tried again the next time.
                with contextlib.ExitStack() as made:
                    selector = made.enter_context(selectors.DefaultSelector())
                    wake = os.pipe()
                    for fd in wake:
                        made.callback(os.close, fd)
                        os.set_blocking(fd, False)
                    selector.register(wake[0], selectors.EVENT_READ, self._woken)
                    self._close = made.pop_all().close
                self._wake, self._selector = wake, selector
            return self._selector

    def _poke(self) -> None:
        """End the wait of the thread. Before its first wait it looks at everything anyway."""
        if self._wake[1] >= 0:
            with contextlib.suppress(BlockingIOError):  # a full pipe wakes it as well
                _write(self._wake[1], b"!")

    def _run(self, selector: selectors.BaseSelector) -> None:
        while self._goes_on():
            turn = True
            while turn:
                while self._soon:
                    self._call(self._soon.popleft())
                # Without a timer no lock is taken: who adds one ends the wait.
                seconds = self._run_timers() if self._timers or not self._users else None
                for key, _ in selector.select(seconds):
                    self._dispatch(key)
                turn = bool(self._users)  # then it goes on

    def _goes_on(self) -> bool:
        with self._lock:
            if not self.runs_here():
                return False
            if not (self._users or self._soon or self._timers):
                self._thread = None
                if self._soon:  # by one who had not seen that
                    self._thread = threading.current_thread()
            return self._thread is not None

    def _run_timers(self) -> float | None:
        """Call what is due; return the seconds until the next timer is."""
        while True:
            with self._lock:
                if not self._timers:
                    return None if self._users else 0.0  # it ends then
                left = self._timers[0][0] - monotonic()
                if left > 0:
                    return left
                callback = heapq.heappop(self._timers)[2]
            self._call(callback)

    def _dispatch(self, key: selectors.SelectorKey) -> None:
        with self._lock:
            # An earlier callback may have removed it, and the number may have a new owner.
            current: Any = self._selector and self._selector.get_map().get(key.fd)
            if current is not None and current.data is key.data:
                self._call(key.data)

    def _woken(self) -> None:
        with contextlib.suppress(BlockingIOError):
            _read(self._wake[0], 4096)

    def _call(self, callback: Callback) -> None:
        """Call it, and report an exception once: what is still ready calls back again."""
        try:
            callback()
        except Exception as exc:
            if repr(exc) != self._reported:
                self._reported = repr(exc)
                report_unraisable(exc)
            sleep(_AFTER_FAILURE)

    def forget_everything(self) -> None:
        """Begin anew, in a forked child: thread and descriptors are the parent's business."""
        self._close()
        self.__init__()  # type: ignore[misc]


loop: EventLoop = EventLoop()
os.register_at_fork(after_in_child=loop.forget_everything)
