"""Reports exceptions that no reply has: of casts, and those that end a thread or a task."""

import sys
from typing import Any

from ..link.protocol import exceptions, messages
from ..link.protocol.unpatched import os
from . import runtime

_threading: Any = sys.modules["threading"]  # itself: the user's threads ask it
_make_invoke = _threading._make_invoke_excepthook
_python_handles: Any = None


def report(what, text):
    """Send the text of an exception: the origin warns of it."""
    peer = runtime.runtime
    if peer is not None and os.getpid() == peer.pid:
        data = ("exception %s:\n%s" % (what, text)).encode("utf-8", "backslashreplace")
        try:
            peer.enqueue(messages.FAILURE, next(peer.ids), data)
        except OSError:
            pass  # the link is gone, and this process with it


def _make_reporting():
    invoke = _make_invoke()

    def report_and_invoke(thread):
        exc: Any = sys.exc_info()[1]
        if not isinstance(exc, SystemExit):
            report("that ended thread %s" % thread.name, exceptions.formatted(exc))
        invoke(thread)  # calls ``threading.excepthook``, which may be the user's

    return report_and_invoke


_threading._make_invoke_excepthook = _make_reporting


def watch():
    """Report the tasks that fail from now on, if asyncio has been imported."""
    global _python_handles
    loop: Any = getattr(sys.modules.get("asyncio.base_events"), "BaseEventLoop", None)
    if loop is not None and _python_handles is None:
        _python_handles, loop.call_exception_handler = loop.call_exception_handler, _handle


def _handle(loop, context):
    exc, task = context.get("exception"), context.get("task", context.get("future"))
    if exc is not None and isinstance(task, sys.modules["asyncio.tasks"].Task):
        _report_task(exc)
    _python_handles(loop, context)


def report_tasks():
    """Report the tasks that have failed and that something still refers to; at the end."""
    if "asyncio.tasks" in sys.modules:
        import gc

        for each in gc.get_objects():
            if issubclass(type(each), sys.modules["asyncio.tasks"].Task) and each._log_traceback:
                _report_task(each._exception)


def _report_task(exc):
    if not isinstance(exc, SystemExit):  # as of threads
        report("of a task that nobody awaited", exceptions.formatted(exc))
