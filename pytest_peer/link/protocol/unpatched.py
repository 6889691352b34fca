"""Standard modules as they were before the code under test patched them.

A test may replace `os.getpid`, `pickle.dumps` or `threading.Thread` in its process, and gevent
replaces most of what waits. That is for the code under test; the link goes on. These are copies of
the modules' names, in objects which are no modules: pyfakefs replaces a module wherever it finds
it.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import _thread
    import marshal
    import os
    import pickle
    import queue
    import select
    import threading

__all__ = ["_thread", "marshal", "os", "pickle", "queue", "select", "threading"]

if not TYPE_CHECKING:
    for _name in __all__:
        globals()[_name] = SimpleNamespace(**vars(__import__(_name)))
