"""Measures the peer's code with the library `coverage`, as the origin measures its own.

It begins after the fork of a forked peer, and before any code of the user's. Each process writes a
data file of its own beside the origin's; the origin's module `launch.coverage` says where.
"""

# The import of `signal` takes a millisecond of every boot.
import _signal  # type: ignore[import-not-found]
import atexit
import sys
from typing import Any

from ..link.protocol import exceptions, messages, module_aliases
from ..link.protocol.unpatched import _thread, os, pickle, select
from . import failures

#: In front of a snapshot is its size, behind it is room for what comes while the file is made.
_HEAD = 8
_ROOM = 1 << 16
#: Seconds that other threads keep the GIL while the file is made.
_BRIEF = 1e-6

_measurement: Any = None  # the `coverage.Coverage` of this peer
_failed: Any = None  # what it has raised
_threading: Any = sys.modules["threading"]  # itself: there are the trace functions of new threads


def begin(given):
    """Measure from now on, as the origin asks; it asks nothing if `given` is ``None``.

    A peer measures nothing without `coverage`, or where it does not see the origin's files.
    """
    global _measurement, _failed
    if given is None:
        return
    if module_aliases.place_of(given["directory"]) != given["place"]:
        return
    os.environ.update(given["variables"])  # for what the peer starts
    try:
        # Now, while only what is installed here is found, and not what the origin has.
        import coverage  # type: ignore[import-not-found,unused-ignore]
    except ImportError:
        return
    here = os.open(os.curdir, os.O_RDONLY)  # it may have been removed
    try:
        os.chdir(given["directory"])  # to which names of files are relative in the options
        _measurement = _started(coverage.Coverage, given["options"])
    except Exception as exc:
        _failed = exc
    finally:
        os.fchdir(here)
        os.close(here)


def _started(make, options):
    measurement = make(config_file=False, data_suffix=True, check_preimported=False)
    # Another version may have other options.
    known = vars(measurement.config)
    known.update((name, value) for name, value in options.items() if name in known)
    # The origin warns, and it looks for files that nothing has run.
    measurement._warn = measurement._post_save_work = lambda *_args, **_kwargs: None
    measurement.start()
    atexit.register(save)
    return measurement


def measures():
    """Return whether this peer measures, as bytes for the origin; report if it cannot."""
    if _failed is not None:
        failures.report("of coverage, which does not measure", exceptions.formatted(_failed))
    return b"" if _measurement is None else b"measures"


def traced(target, args):
    """Return what a new thread runs, with its arguments, so that `coverage` sees it.

    `threading` would see to it, but not all our threads are started by that.
    """
    return (target, args) if _measurement is None else (_run_traced, (target, args))


def _run_traced(target, args):
    # The core of `coverage` for newer Pythons sees all threads, and sets none.
    trace = _threading._trace_hook
    if trace is not None:
        sys.settrace(trace)
    target(*args)


def save():
    """Write what was measured until now; more may follow. The first failure is reported."""
    global _failed
    try:
        if _measurement is not None:
            _measurement.save()
    except Exception as exc:
        if _failed is None:
            _failed = exc
            failures.report("of coverage, which has saved nothing", exceptions.formatted(exc))


def received(enqueue, ident, payload):
    """Do what the origin asks for; on the thread that reads, so it does not raise."""
    what, _, name = payload.partition(b" ")
    name = name.decode("utf-8", "surrogatepass")
    # These at once: a context counts for all that comes behind. It takes as long as a write.
    if what == messages.CONTEXT:
        _quietly(_measurement.switch_context, name)
    elif what == messages.STOP:
        _quietly(_stop_with_snapshot, name)
    try:
        _thread.start_new_thread(_answer, (enqueue, ident, what))
    except RuntimeError:
        pass  # no more threads: the origin does not wait for long


def _answer(enqueue, ident, what):
    if what != messages.CONTEXT:  # if it was to stop, that has failed
        save()
    _quietly(enqueue, messages.COVERAGE, ident, b"")
    if what == messages.STOP:
        os.kill(os.getpid(), _signal.SIGSTOP)


def _quietly(step, *args):
    try:
        step(*args)
    except Exception:
        pass  # of the link, which is gone, or of coverage, of which the peer must not die


def _stop_with_snapshot(path):
    """Write down what was measured, and stop this process, while no other thread runs.

    A data file takes many writes, and in each of them other threads would go on: they would do what
    the test kills the peer to prevent. So the GIL is kept: for one dump, one copy, and the signal.
    """
    import mmap

    usual = sys.getswitchinterval()
    sys.setswitchinterval(_BRIEF)
    collector, config = _measurement._collector, _measurement.config
    how = collector.branch, collector.core.packed_arcs, config.data_file
    data = collector.data, collector.file_tracers, collector.covdata._current_context
    room = _HEAD + 2 * len(pickle.dumps((*data, *how), messages.PICKLE)) + _ROOM
    with open(path, "r+b") as file:
        os.posix_fallocate(file.fileno(), 0, room)
        shared = mmap.mmap(file.fileno(), room)
    sys.setswitchinterval(usual)
    select.select((), (), (), 0)  # who waits for the GIL asks for it again only after that time
    found = pickle.dumps((*data, *how), messages.PICKLE)
    shared[_HEAD : _HEAD + len(found)] = found
    shared[:_HEAD] = len(found).to_bytes(_HEAD, "little")
    os.kill(os.getpid(), _signal.SIGSTOP)
