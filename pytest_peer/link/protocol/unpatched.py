"""Standard modules as they were before the code under test patched them.

A test may replace `os.getpid` or `threading.Thread` in its process, and gevent most of what waits;
the link goes on. These copies are no modules: pyfakefs replaces a module wherever it finds it.
"""

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

globals().update({name: SimpleNamespace(**vars(__import__(name))) for name in __all__})
