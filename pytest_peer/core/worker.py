"""Threads that run jobs for callers that must not wait; and exceptions that no caller can catch."""

import _thread
import os
import sys
import threading
from collections.abc import Callable
from contextvars import Context
from functools import partial
from queue import SimpleQueue
from typing import Any

from . import fork_warning  # noqa: F401 - for our threads
from .locks import Lock

#: Not looked up when a thread is needed: a test may have replaced them, for the code under test.
_start = _thread.start_new_thread
_start_joinable: Any = getattr(_thread, "start_joinable_thread", None)  # Python 3.13 has it


def report_unraisable(error: BaseException) -> None:
    """Report `error` as an exception that ends a thread: a test run shows it as a warning."""
    args = type(error), error, error.__traceback__, threading.current_thread()
    threading.excepthook(threading.ExceptHookArgs(args))


def run_all(*steps: Callable[[], object]) -> None:
    """Call all `steps`, in order. An exception of one is reported and does not stop the others."""
    for step in steps:
        try:
            step()
        except Exception as exc:
            report_unraisable(exc)


def start_thread(target: Callable[[], object], name: str) -> threading.Thread:
    """Start a daemon thread; a RuntimeError says that no thread can be started any more."""
    if sys.is_finalizing():  # before Python 3.12 `Thread.start` would wait for ever
        raise RuntimeError("can't start new thread: the interpreter is ending")
    thread = threading.Thread(target=target, name=name, daemon=True)
    thread._context = Context()  # type: ignore[attr-defined]  # Python 3.14 runs it in one
    # Not by `Thread.start`: if a signal handler interrupts that, the thread may end at once, or a
    # lock is released that another thread has.
    if _start_joinable is None:
        _start(_bootstrap, (thread,))
    else:  # who joins the thread asks the handle, and so does a fork from it
        known = vars(thread)
        handle = known.get("_os_thread_handle") or known["_handle"]  # before Python 3.14
        _start_joinable(partial(_bootstrap, thread), handle=handle)
    return thread


def _bootstrap(thread: Any) -> None:
    threading._limbo[thread] = thread  # type: ignore[attr-defined]  # as `Thread.start` does
    thread._bootstrap()


class Worker:
    """One thread with a queue of jobs, which ends without one, but not between `start` and `rest`."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._reset()
        os.register_at_fork(after_in_child=self._reset)

    def _reset(self) -> None:
        # Also in a forked child: thread and jobs are the parent's.
        self._lock = Lock()
        self._jobs: SimpleQueue[Callable[[], object]] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self._lasting = False

    def start(self) -> None:
        """Start the thread now, unless it runs, and keep it; raises as `start_thread`."""
        with self._lock:
            self._start()
            self._lasting = True

    def rest(self) -> None:
        """Let the thread end when it has no job."""
        with self._lock:
            self._lasting = False
            if self._thread is not None:
                self._jobs.put(int)  # it looks again

    def _start(self) -> None:
        if self._thread is None:
            # It waits for the lock. If an interrupt comes before it is known here, it ends.
            self._thread = start_thread(self._work, self._name)

    def run(self, job: Callable[[], object]) -> None:
        """Have `job` run soon. The caller runs it where no thread can be started any more."""
        try:
            with self._lock:
                self._start()
                self._jobs.put(job)
        except RuntimeError:
            job()

    def runs_here(self) -> bool:
        return self._thread is threading.current_thread()

    def _work(self) -> None:
        with self._lock:
            known = self.runs_here()
        while known:
            with self._lock:
                if self._jobs.empty() and not self._lasting:
                    self._thread = None
                    return
            try:
                self._jobs.get()()
            except BaseException as exc:
                report_unraisable(exc)


#: Does what the end of a peer takes. The event loop keeps it, so that it is there when an
#: interpreter that is ending starts no threads any more.
worker: Worker = Worker("pytest-peer-worker")
#: Runs what users want to be called when an answer has come. It may wait for calls and for peers.
callbacks: Worker = Worker("pytest-peer-callbacks")
