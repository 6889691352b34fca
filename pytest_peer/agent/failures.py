"""Reports failures that no reply has: exceptions, and what plugins have collected for the test."""

import sys
from functools import partial
from time import sleep
from typing import Any, List

from ..link.protocol import exceptions, messages
from ..link.protocol.unpatched import os
from . import runtime

_threading: Any = sys.modules["threading"]  # itself: the user's threads ask it
_make_invoke = _threading._make_invoke_excepthook
_python_hook = _threading.excepthook
_python_handles: Any = None
_task: Any = None
_TASK_SECONDS = 0.02  # for tasks that have only begun
#: Set when the peer is to end: what fails from now on may fail because of that.
ending = False
#: What the hook `pytest_peer_outcome` gave.
collectors = []
#: Of pytest-check and pytest-assume at the origin, by module; without those in force here.
settings = {}


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


def watch():
    """Report the tasks that fail from now on, if asyncio has been imported."""
    global _python_handles, _task
    loop: Any = getattr(sys.modules.get("asyncio.base_events"), "BaseEventLoop", None)
    if loop is not None and _python_handles is None:
        _python_handles, loop.call_exception_handler = loop.call_exception_handler, _handle
        _task = sys.modules["asyncio.tasks"].Task


def _handle(loop, context):
    exc, task = context.get("exception"), context.get("task", context.get("future"))
    if exc is not None and isinstance(task, _task) and loop._exception_handler is None:
        _report_task(exc, True)
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


def _report_task(exc, in_background=False):
    if not (ending or isinstance(exc, SystemExit)):  # as of threads
        text = exceptions.formatted(exc)
        report("of a task that nobody awaited", text, in_background)


class _Sent(List[Any]):
    """Where a plugin collects failures. The origin has each at once: this peer may die."""

    def append(self, failure):
        super().append(failure)
        if isinstance(failure, str):
            lines = failure.partition("FAILURE: ")[2].rstrip().split("\n")
            lines = [each for each in lines if "pytest_peer/agent/" not in each]
            text = "\n".join([*lines, "in peer %r" % runtime.runtime.name])
            expected = sys._getframe(1).f_locals.get("xfail")  # its reason
            more = {"xfail": expected} if expected else {}
            failure = partial(sys.modules["pytest_check.check_log"].log_failure, text, **more)
        else:
            failure.tb = None  # it cannot travel
        _send(failure)


#: For each thread and call pytest-check has an instance of a class with this attribute.
_failures = property(
    lambda state: vars(state).setdefault("sent", _Sent()),
    lambda state, _: vars(state).update(sent=_Sent()),
)


def _send(failure):
    peer = runtime.runtime
    if isinstance(failure, BaseException):
        failure = exceptions.formatted(failure)
    # What a forked child collects is lost without a peer, too.
    if os.getpid() == peer.pid and not peer.ask("collect", peer.name, failure):
        # The origin has no such plugin. The text is an argument of what it should call.
        report("that a plugin collected", str((*getattr(failure, "args", ()), failure)[0]))


def watch_plugins():
    """Let plugins begin anew, and send what they collect: before a call, and at their import."""
    pytest: Any = sys.modules.get("pytest")
    if settings and hasattr(pytest, "fail") and settings.pop("pytest_assume.plugin", ()) != ():
        plugin: Any = __import__("pytest_assume.plugin", fromlist=["assume"])
        plugin._FAILED_ASSUMPTIONS = _Sent()
        pytest._hook_assume_fail = pytest._hook_assume_pass = lambda **_: None
        pytest.assume = plugin.assume
    log: Any = sys.modules.get("pytest_check.check_log")
    if hasattr(log, "log_failure"):
        for name in [each for each in settings if each in sys.modules]:
            vars(sys.modules[name]).update(settings.pop(name))
        log.__dict__.get("_CheckState", log).failures = _failures
        log.clear_failures()
        log._failures = _Sent()  # of its versions before 3


def collect():
    """Send what the hook's callables return: after a call, and at the end."""
    for each in collectors:
        try:
            for failure in each() or ():
                _send(failure)
        except BaseException as exc:
            _send(exc)
