"""Lets `faulthandler` write the stacks of all threads, in C and without the GIL.

It does so into one of the artifacts after a crash, and into another when the origin sends a signal.
Where the peer cannot write there, a crash is written to stderr, and the signal does nothing.
"""

# The import of `signal` takes a millisecond of every boot.
import _signal  # type: ignore[import-not-found]
import faulthandler

from ..link.protocol.unpatched import os

#: The signals that faulthandler handles.
_CRASHES = (_signal.SIGSEGV, _signal.SIGFPE, _signal.SIGABRT, _signal.SIGBUS, _signal.SIGILL)


def begin(config):
    """Write stacks after a crash and on the signal from now on; not if `config` is ``None``."""
    # Set by the origin, for an interpreter that hangs before this runs. The user sets other values.
    variable = os.environ.get("PYTHONFAULTHANDLER") == "pytest-peer"
    if variable:
        del os.environ["PYTHONFAULTHANDLER"]
    if config is None:
        return
    try:
        if variable and faulthandler.is_enabled():
            faulthandler.disable()
            for number in _CRASHES:
                # `signal` has seen a handler that is not Python's, and would show it to the user.
                _signal.signal(number, _signal.SIG_DFL)
        try:
            crash = _opened(config["crash"])
        except OSError:
            crash = 2  # the directory is on another machine, or another user's
        faulthandler.enable(file=crash, all_threads=True)
        if config["signal"] is not None:
            # Not chained: the origin sees by the blocked signal that the thread still writes.
            faulthandler.register(
                config["signal"], file=_opened(config["threads"]), all_threads=True, chain=False
            )
    except Exception:
        pass  # a peer works without


def rehearse():
    """Do the same with stderr, and undo it; see `agent.forkserver.prewarm`."""
    faulthandler.enable(file=2)
    faulthandler.register(_signal.SIGRTMAX, file=2, chain=False)
    faulthandler.unregister(_signal.SIGRTMAX)
    faulthandler.disable()


def _opened(path):
    # For appending: the origin and forked children have the file open too.
    return os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
