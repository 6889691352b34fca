"""Clock and threads as they were when this was imported.

A test may freeze or replace `time.monotonic`, `time.sleep`, `threading.Thread` while peers live, boot and die: freezegun, `unittest.mock`.
That is for the code under test; time limits and deaths here go on. Partial objects, because freezegun also replaces the functions
themselves wherever a module has them under a name of its own.
"""

from __future__ import annotations

import _thread
import sys
import threading
import time
from functools import partial

#: `time.monotonic`.
monotonic: partial[float] = partial(time.monotonic)
#: `time.time`.
now: partial[float] = partial(time.time)
#: `time.sleep`.
sleep: partial[None] = partial(time.sleep)
_start = threading.Thread.start


#: Between looks whether a thread that has been started still lives.
_LOOK_SECONDS = 0.05


class Thread(threading.Thread):
    """`threading.Thread`, whose ``start`` a test may replace."""

    #: Whether its own code has ended. Unlike `is_alive`, which takes a living thread for dead for ever when an interrupt comes in it
    #: (`threading.Thread._wait_for_tstate_lock` before Python 3.13).
    over: bool = False

    def start(self) -> None:
        """As it was, but that the thread's own code runs when this returns.

        :raises RuntimeError: there can be no thread any more, or what somebody has put in all threads has ended it.
        """
        if sys.is_finalizing():  # before Python 3.12 it would wait for ever
            raise RuntimeError("can't start new thread: the interpreter is ending")
        self._runs = _thread.allocate_lock()
        self._runs.acquire()
        _start(self)
        # Nearly always it does by now, since `_start` waits, too.
        while not self._runs.acquire(True, _LOOK_SECONDS):
            if not self.is_alive() and self._runs.locked():
                raise RuntimeError(
                    "can't start new thread: it died before it did anything; what was given to "
                    "`threading.settrace` or `threading.setprofile` may have raised"
                )

    def run(self) -> None:
        """As it was."""
        self._runs.release()
        try:
            super().run()
        finally:
            self.over = True
