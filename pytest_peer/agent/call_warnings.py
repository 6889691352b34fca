"""Sends the warnings of a call before its reply, so that the test's filters decide about them.

While there are no filters of the user's (``-W``, ``PYTHONWARNINGS``), all warnings are let through
in place of Python's default filters. Filters that code in the peer sets come before that.
The frames below a warning show which call it belongs to, so a call without warnings costs nothing.
Other warnings go to stderr, as far as Python shows them by default.
"""

from __future__ import annotations

import pickle
import sys
import threading
import warnings
from typing import Any

from ..link.protocol import codec
from ..link.protocol import exceptions
from ..link.protocol import frame_info
from ..link.protocol import messages
from ..link.protocol.sender import CHUNK

#: Different warnings of one call that are sent, and of all other code that are shown.
_MOST = 1000
#: Ignored by Python's default filters (module `warnings`, "Default Warning Filter").
_IGNORED = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
_DEFAULT_FILTERS = [
    ("default", None, DeprecationWarning, "__main__", 0),
    *(("ignore", None, category, None, 0) for category in _IGNORED),
]
#: Functions without a caller: Python ignores what they raise.
_FINALIZERS = ("__del__", "_warn_unawaited_coroutine")

#: The recorded warnings of each call, by what makes them different. Nearly always empty.
recorded = {}

_shown = set()
_run_codes = frozenset()
_reply_codes = frozenset()
_own_files = frozenset()
_python_shows: Any = None
_call_of_task: Any = None  # a context variable, from the first coroutine on


def install(own_files, runners, repliers):
    """Record the warnings of calls from now on.

    :param own_files: the files of the agent.
    :param runners: the functions that run calls, with local variables `kind` and `ident`.
    :param repliers: the functions that these use when a call is over. A finalizer that warns
        there is too late for the reply.
    """
    global _run_codes, _reply_codes, _own_files, _python_shows
    _run_codes = frozenset(each.__code__ for each in runners)
    _reply_codes = frozenset(each.__code__ for each in repliers)
    _own_files = own_files
    if not sys.warnoptions:
        # What is in front of Python's default filters stays in front of this one.
        filters: Any = warnings.filters
        filters[:] = [each for each in filters if each not in _DEFAULT_FILTERS]
        warnings.simplefilter("always", append=True)
    if warnings.showwarning is not _show:
        _python_shows = warnings.showwarning
        warnings.showwarning = _show


def follow(ident):
    """Let a call have the warnings of the current task, and of the tasks that it creates.

    Returns a list. They no longer belong to the call when it has been emptied.
    """
    global _call_of_task
    if _call_of_task is None:
        from contextvars import ContextVar

        _call_of_task = ContextVar("pytest_peer_call")
    live = [ident]
    _call_of_task.set(live)
    return live


def send(runtime, ident):
    """Send the warnings of that call; before its reply."""
    for warning in recorded.pop(ident, {}).values():
        try:
            runtime.enqueue(messages.WARNING, ident, _packed(warning, runtime.by_value))
        except OSError:
            return  # the link is gone, and this process with it


def _show(message, category, filename, lineno, file=None, line=None):
    """Replace ``warnings.showwarning``."""
    try:
        if _is_of_our_threads(message, category):
            return
        if file is None:
            cause = _Cause(sys._getframe(1), filename, lineno)
            if cause.ident is not None:
                _record(cause, message, category, filename, lineno)
                return
            if not sys.warnoptions and not _shows_by_default(message, category, filename, lineno):
                return
    except Exception:  # a fault of ours, or a warning whose str() raises
        pass
    _python_shows(message, category, filename, lineno, file, line)


def _is_of_our_threads(message, category):
    # Python 3.12 warns of a fork beside threads. The code under test has not started ours, and
    # with -W error any test that forks in a peer would fail.
    if category is not DeprecationWarning or "multi-threaded, use of" not in str(message):
        return False
    return all(
        thread is threading.main_thread() or thread.name.startswith(("peer-call-", "peer-event-"))
        for thread in threading.enumerate()
    )


def _shows_by_default(message, category, filename, lineno):
    if issubclass(category, _IGNORED):
        return False
    place = (str(message), category, filename, lineno)
    if place in _shown:
        return False
    if len(_shown) < _MOST:
        _shown.add(place)
    return True


class _Cause:
    """What this thread is doing, as its frames show."""

    def __init__(self, frame, filename, lineno):
        #: The call that it is in.
        self.ident = None
        #: The frame that the warning points to, and whether it is in the call.
        self.frame = None
        self.inside = False
        #: Whether a finalizer warns.
        self.final = False
        runner, over = None, False
        while frame is not None:
            code = frame.f_code
            if runner is None:
                over = over or code in _reply_codes
                self.final = self.final or code.co_name in _FINALIZERS
                if code in _run_codes:
                    runner, self.inside = frame, self.frame is not None
            if self.frame is None and code.co_filename == filename and frame.f_lineno == lineno:
                self.frame = frame
            frame = frame.f_back
        if over:
            return
        if runner is not None:
            self.ident = _ident(runner)
        elif _call_of_task is not None and _call_of_task.get(None):
            self.ident = _call_of_task.get()[0]
            self.inside = self.frame is not None


def _ident(runner):
    names = runner.f_locals
    ident = names["ident"] if names["kind"] == messages.CALL else None
    if type(names) is dict:
        names.clear()  # before Python 3.13 a copy, which would keep the call's arguments alive
    return ident


def _record(cause, message, category, filename, lineno):
    kept = recorded.setdefault(cause.ident, {})
    key = (category, str(message), filename, lineno)
    if key in kept or len(kept) >= _MOST:
        return
    description = {
        "file": filename,
        "line": lineno,
        "module": None,
        "frames": [],
        "sources": {},
        "final": cause.final or issubclass(category, ResourceWarning),
        # The test called the function, which blames its caller.
        "of caller": not cause.inside and (cause.frame is not None or filename in ("sys", "<sys>")),
    }
    if cause.inside:
        collector = frame_info.FrameCollector(_own_files, "")
        description["frames"] = [collector.frame(cause.frame, lineno, cause.frame.f_lasti)]
        description["sources"] = collector.sources
        description["module"] = cause.frame.f_globals.get("__name__") or "<string>"
    kept[key] = message, description


def _packed(warning, by_value):
    message, description = warning
    description["type"] = "%s.%s" % (type(message).__module__, type(message).__qualname__)
    description["text"] = str(message)
    description["category"] = exceptions.builtin_base(type(message)).__name__
    pickled = exceptions.portable(message, by_value)
    data = pickle.dumps(dict(description, **pickled), codec.PROTOCOL)
    if len(data) > CHUNK:  # in several parts the reply would overtake it
        description["text"] = description["text"][:10000]
        data = pickle.dumps(dict(description, sources={}), codec.PROTOCOL)
    return data
