"""Sends the warnings of a call before its reply, so that the test's filters decide about them.

Without filters of the user's (``-W``, ``PYTHONWARNINGS``) all are let through, in place of Python's
default filters. Filters that code in the peer sets come before that. Warnings outside of calls go
to stderr, as far as Python shows them by default.
"""

import sys
import warnings
from contextvars import ContextVar
from typing import Any

from ..core import fork_warning  # noqa: F401 - it sets a filter
from ..link.protocol import codec, exceptions, frame_info, messages, sender
from ..link.protocol.unpatched import pickle

#: Different warnings of one call that are sent, and of all other code that are shown.
_MOST = 1000
#: Ignored by Python's default filters (module `warnings`, "Default Warning Filter").
_IGNORED = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
_DEFAULT_FILTERS = [
    ("default", None, DeprecationWarning, "__main__", 0),
    *(("ignore", None, category, None, 0) for category in _IGNORED),
]
#: What ``-X dev`` and ``-b`` add to `sys.warnoptions`, which are the origin's: no user's filters.
_IMPLIED = {"default", "default::BytesWarning", "error::BytesWarning"}
_filtered = not _IMPLIED.issuperset(sys.warnoptions)
#: The functions of the agent that run calls, and tasks of theirs.
RUNNERS = ("_run", "_drive", "_run_loop")
#: Functions without a caller: Python ignores what they raise.
_FINALIZERS = ("__del__", "_warn_unawaited_coroutine")

#: The recorded warnings of each call, by what makes them different. Nearly always empty.
recorded = {}

_shown = set()
_own_files = frozenset()
_python_shows: Any = None
#: The call of a thread or task, in a list that is empty after it: tasks that live on have it too.
_call: Any = ContextVar("pytest_peer_call", default=None)


def install(own_files):
    """Record the warnings of calls from now on; `own_files` are the files of the agent."""
    global _own_files, _python_shows
    _own_files = own_files
    if not _filtered:
        # What is in front of Python's default filters stays in front of this one.
        filters: Any = warnings.filters
        all_once = "default", None, Warning, None, 0
        filters[:] = [each for each in filters if each not in (*_DEFAULT_FILTERS, all_once)]
        warnings.simplefilter("always", append=True)
    if warnings.showwarning is not _show:
        _python_shows = warnings.showwarning
        warnings.showwarning = _show


def begin(ident):
    """Let a call have the warnings of this thread or task, and of the tasks that it creates."""
    _call.set([ident])


def end():
    """Let the call have no more warnings: its reply is about to be sent."""
    call = _call.get()
    if call:
        call.clear()


def send(runtime, ident):
    """Send the warnings of that call; before its reply."""
    for warning in recorded.pop(ident, {}).values():
        try:
            runtime.enqueue(messages.WARNING, ident, _packed(warning, runtime.by_value))
        except OSError:
            return  # the link is gone, and this process with it


def _show(message, category, filename, lineno, file=None, line=None):
    try:
        if file is None:
            call = _call.get()
            if call:
                _record(call[0], sys._getframe(1), message, category, filename, lineno)
                return
            if not _filtered:
                place = (str(message), category, filename, lineno)
                if issubclass(category, _IGNORED) or place in _shown:
                    return
                if len(_shown) < _MOST:
                    _shown.add(place)
    except Exception:  # a fault of ours, or a warning whose str() raises
        pass
    _python_shows(message, category, filename, lineno, file, line)


def _record(ident, frame, message, category, filename, lineno):
    kept = recorded.setdefault(ident, {})
    key = (category, str(message), filename, lineno)
    if key in kept or len(kept) >= _MOST:
        return
    blamed: Any = None
    in_call, inside = True, False
    final = issubclass(category, ResourceWarning)
    while frame is not None:
        code = frame.f_code
        if code.co_name in RUNNERS and code.co_filename in _own_files:
            in_call = False
        final = final or (in_call and code.co_name in _FINALIZERS)
        if blamed is None and code.co_filename == filename and frame.f_lineno == lineno:
            blamed, inside = frame, in_call
        frame = frame.f_back
    description = {"file": filename, "line": lineno, "module": None, "frames": [], "sources": {}}
    description["final"] = final
    # The test called the function, which blames its caller.
    description["of caller"] = not inside and (blamed is not None or filename in ("sys", "<sys>"))
    if inside:
        collector = frame_info.FrameCollector(_own_files, "")
        description["frames"] = [collector.frame(blamed, lineno, blamed.f_lasti)]
        description["sources"] = collector.sources
        description["module"] = blamed.f_globals.get("__name__") or "<string>"
    kept[key] = message, description


def _packed(warning, by_value):
    message, description = warning
    description["type"] = "%s.%s" % (type(message).__module__, type(message).__qualname__)
    description["text"] = str(message)
    description["category"] = exceptions.builtin_base(type(message)).__name__
    pickled = exceptions.portable(message, by_value)
    data = pickle.dumps(dict(description, **pickled), codec.PROTOCOL)
    if len(data) > sender.CHUNK:  # in several parts the reply would overtake it
        description["text"] = description["text"][:10000]
        data = pickle.dumps(dict(description, sources={}), codec.PROTOCOL)
    return data
