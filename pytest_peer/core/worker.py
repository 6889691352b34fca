"""Threads that run jobs one after the other, for callers that must not wait themselves."""

from __future__ import annotations

import os
import sys
import threading
from collections import deque
from collections.abc import Callable

from .sync import Condition
from .unraisable import report_unraisable

Job = Callable[[], object]
#: Not looked up when a thread is needed: a test may have replaced it, for the code under test.
_start = threading.Thread.start


def start_thread(target: Callable[[], object], name: str) -> threading.Thread:
    """Start a daemon thread and return it.

    :raises RuntimeError: The interpreter is ending, or the system has no more threads.
    """
    if sys.is_finalizing():  # before Python 3.12 `Thread.start` would wait for ever
        raise RuntimeError("can't start new thread: the interpreter is ending")
    thread = threading.Thread(target=target, name=name, daemon=True)
    _start(thread)
    return thread


class Worker:
    """One thread with a queue of jobs. What a job raises is reported and does not end the thread.

    :param lasting: Whether the thread stays once it was started. Otherwise it ends with the last
        job, and the next job starts another.
    """

    def __init__(self, name: str, *, lasting: bool = False) -> None:
        self._name = name
        self._lasting = lasting
        self._changed = Condition()
        self._jobs: deque[Job] = deque()
        self._thread: threading.Thread | None = None
        os.register_at_fork(after_in_child=self._reset)

    def start(self) -> None:
        """Start the thread now, unless it runs.

        :raises RuntimeError: No thread can be started.
        """
        with self._changed:
            if self._thread is None:
                # It waits for the lock. If an interrupt comes before it is known here, it ends.
                self._thread = start_thread(self._work, self._name)

    def run(self, job: Job) -> None:
        """Have `job` run soon. The caller runs it where no thread can be started any more."""
        with self._changed:
            try:
                self.start()
            except RuntimeError:
                started = False
            else:
                started = True
                self._jobs.append(job)
                self._changed.notify_all()
        if not started:
            job()

    def runs_here(self) -> bool:
        return self._thread is threading.current_thread()

    def _work(self) -> None:
        while (job := self._next()) is not None:
            try:
                job()
            except BaseException as exc:
                report_unraisable(exc)

    def _next(self) -> Job | None:
        with self._changed:
            while self.runs_here():
                if self._jobs:
                    return self._jobs.popleft()
                if not self._lasting:
                    self._thread = None
                    return None
                self._changed.wait()
            return None

    def _reset(self) -> None:
        """Forget thread and jobs, in a forked child: both are the parent's."""
        self._changed = Condition()
        self._jobs.clear()
        self._thread = None


#: Does what the end of a peer takes. The event loop starts it, so that it is there when an
#: interpreter that is ending starts no threads any more.
worker: Worker = Worker("pytest-peer-worker", lasting=True)
#: Runs what users want to be called when an answer has come. It may wait for calls and for peers.
callbacks: Worker = Worker("pytest-peer-callbacks")
