"""Standard modules as they were before the code under test patched them.

A test may replace `os.getpid` or `threading.Thread` in its process, and gevent most of what waits;
the link goes on. These copies are no modules: pyfakefs replaces a module wherever it finds it.
"""

import _thread
import marshal
import os
import pickle
import queue
import select
import threading

__all__ = ["_thread", "marshal", "os", "pickle", "queue", "select", "threading"]

# Classes, whose attributes Python looks up faster than those of other objects.
globals().update({name: type(name, (), dict(vars(globals()[name]))) for name in __all__})
