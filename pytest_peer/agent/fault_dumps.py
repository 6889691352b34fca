"""What a peer writes when it can do nothing else: where its threads are, in C, without the GIL.

On a crash into one file, on a signal into another. Both are in the origin's directory of artifacts; where that cannot be
written, the crash is told on stderr, and the other not at all.
"""

from __future__ import annotations

import _signal  # `signal` itself costs a millisecond of every boot
import os

try:
    import faulthandler
except ImportError:  # not every Python has it
    faulthandler = None

#: Set by the origin, for an interpreter that hangs before this runs; with this value it is not the user's.
_VARIABLE = ("PYTHONFAULTHANDLER", "pytest-peer")
#: The signals that faulthandler handles.
_CRASHES = (_signal.SIGSEGV, _signal.SIGFPE, _signal.SIGABRT, _signal.SIGBUS, _signal.SIGILL)


def begin(config):
    """From now on a crash, and the signal, leave stacks.

    :param config: the files ``"crash"`` and ``"threads"``, and the ``"signal"``; ``None`` for nothing of it.
    """
    name, ours = _VARIABLE
    variable = os.environ.get(name) == ours
    if variable:
        del os.environ[name]
    if config is None or faulthandler is None:
        return
    try:
        if variable and faulthandler.is_enabled():
            faulthandler.disable()
            for number in _CRASHES:
                # `signal` has found a handler that is not Python's, and would tell the user so.
                _signal.signal(number, _signal.SIG_DFL)
        try:
            crash = _opened(config["crash"])
        except OSError:
            crash = 2  # on another machine, or another user's: it is told among its last words
        faulthandler.enable(file=crash, all_threads=True)
        if config["signal"] is not None:
            # Not chained: the signal is blocked in the thread that writes, by which the origin knows that it has not finished.
            faulthandler.register(
                config["signal"], file=_opened(config["threads"]), all_threads=True, chain=False
            )
    except Exception:
        pass  # evidence, and no peer fails for it


def prewarm():
    """Go through it with the descriptor that is there; nothing of it is left."""
    faulthandler.enable(file=2)
    faulthandler.register(_signal.SIGRTMAX, file=2, chain=False)
    faulthandler.unregister(_signal.SIGRTMAX)
    faulthandler.disable()


def _opened(path):
    # Always at the end: the origin and forked children have the file too.
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
