"""Clock and threads as they were when this was imported.

A test may freeze or replace `time.monotonic`, `time.sleep`, `threading.Thread` while peers live, boot and die: freezegun, `unittest.mock`.
That is for the code under test; time limits and deaths here go on. Partial objects, because freezegun also replaces the functions
themselves wherever a module has them under a name of its own.
"""

from __future__ import annotations

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


class Thread(threading.Thread):
    """`threading.Thread`, whose ``start`` a test may replace."""

    def start(self) -> None:
        """As it was.

        :raises RuntimeError: there can be no thread any more.
        """
        if sys.is_finalizing():  # before Python 3.12 it would wait for ever
            raise RuntimeError("can't start new thread: the interpreter is ending")
        _start(self)
