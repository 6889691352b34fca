"""Reports exceptions that no reply has: of casts, threads, tasks, callbacks and finalizers."""

import sys
from time import sleep
from typing import Any

from ..link.protocol import exceptions, messages, refusals
from ..link.protocol.unpatched import os
from . import runtime

_threading: Any = sys.modules["threading"]  # itself: the user's threads ask it
_make_invoke = _threading._make_invoke_excepthook
_python_hook = _threading.excepthook
_python_handles: Any = None
_task: Any = None
_TASK = "of a task that nobody awaited"
_TASK_SECONDS = 0.02  # for tasks that have only begun
_AT_EXIT = "Exception ignored in atexit callback"  # of Python 3.10 and newer
#: Set when the peer is to end: what fails from now on may fail because of that.
ending = False


def report(what, text, in_background=False):
    """Send the text of an exception: the origin warns of it; of threads not while it stops peers."""
    peer = runtime.runtime
    if peer is not None and os.getpid() == peer.pid:
        data = ("exception %s:\n%s" % (what, text)).encode("utf-8", "backslashreplace")
        try:
            peer.enqueue(messages.FAILURE, 0 if in_background else next(peer.ids), data)
        except OSError:
            pass  # the link is gone, and this process with it


def _make_reporting():
    invoke = _make_invoke()

    def report_and_invoke(thread):
        exc: Any = sys.exc_info()[1]
        # A hook of the user's has seen it.
        if _threading.excepthook is _python_hook and not (ending or isinstance(exc, SystemExit)):
            report("that ended thread %s" % thread.name, exceptions.formatted(exc), True)
        invoke(thread)

    return report_and_invoke


_threading._make_invoke_excepthook = _make_reporting


def _report_ignored(unraisable):
    """Report what Python ignores, as pytest warns of it: of ``__del__``, and of a bare thread."""
    exc: Any = unraisable.exc_value
    # An atexit callback is meant for the end: what it raises is a failure there too.
    of_end = ending and not str(unraisable.err_msg).startswith(_AT_EXIT)
    if exc is not None and not (of_end or sys.is_finalizing()):
        what = "ignored in %s" % refusals.safe_repr(unraisable.object)
        report(what, exceptions.formatted(exc), not ending)
    sys.__unraisablehook__(unraisable)


sys.unraisablehook = _report_ignored


def watch():
    """Report the tasks that fail from now on, if asyncio has been imported."""
    global _python_handles, _task
    loop: Any = getattr(sys.modules.get("asyncio.base_events"), "BaseEventLoop", None)
    if loop is not None and _python_handles is None:
        _python_handles, loop.call_exception_handler = loop.call_exception_handler, _handle
        _task = sys.modules["asyncio.tasks"].Task


def _handle(loop, context):
    exc, task = context.get("exception"), context.get("task", context.get("future"))
    if exc is not None and loop._exception_handler is None:
        what = _TASK if isinstance(task, _task) else "in asyncio: %s" % context.get("message")
        _report_task(exc, True, what)
    _python_handles(loop, context)


def tasks():
    """Return the tasks of all loops that something still refers to."""
    watch()
    if _task is None:
        return []
    import gc

    return [each for each in gc.get_objects() if issubclass(type(each), _task)]


def report_tasks():
    """Report the tasks that have failed and that something still refers to; at the end."""
    every = tasks()
    if not all(each.done() for each in every):
        sleep(_TASK_SECONDS)
    for each in every:
        if getattr(each, "_log_traceback", False):
            _report_task(each._exception)


def _report_task(exc, in_background=False, what=_TASK):
    if not (ending or isinstance(exc, SystemExit)):  # as of threads
        report(what, exceptions.formatted(exc), in_background)
