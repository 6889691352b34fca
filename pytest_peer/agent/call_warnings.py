"""Warnings of a call go with its reply: what becomes of them is decided by the filters of the test.

Whose a warning is, the frames below it tell: nothing is done for a call that warns of nothing. For this all warnings of calls are
let through, whatever Python's default filters say; an interpreter that was given filters (``-W``, ``PYTHONWARNINGS``) and code
that sets some have their way. Outside of calls all is as Python does it.
"""

from __future__ import annotations

import pickle
import sys
import threading
import warnings

from ..link.protocol import codec
from ..link.protocol import exceptions
from ..link.protocol import frame_info
from ..link.protocol import messages
from ..link.protocol.sender import CHUNK

#: Different warnings of one call that are told; more are dropped.
_MOST = 1000
#: Python's, for what only developers want to see (module `warnings`, "Default Warning Filter").
_IGNORED = (DeprecationWarning, PendingDeprecationWarning, ImportWarning, ResourceWarning)
#: Lets everything through; by its class it can be told from a user's filter.
_OURS = ("always", None, object, None, 0)
#: Functions that nobody calls: what they raise, Python ignores.
_FINALIZERS = ("__del__", "_warn_unawaited_coroutine")
#: What is shown outside of calls, once for each place.
_shown = set()

#: Of each call that has warned: what, by what makes it different from others. Nearly always empty.
recorded = {}

_runs = _replies = (
    frozenset()
)  # the code of functions around a call, and around what comes after it
_own_files = frozenset()
_show_here = None
_followed = None  # a context variable, from the first coroutine on


def begin(own_files, runs, replies):
    """Be told of warnings from now on.

    :param own_files: files that are ours.
    :param runs: the functions that run calls, and have local variables `kind` and `ident`.
    :param replies: the functions that these call when a call is over: what is said in them, by a finalizer, comes too late.
    """
    global _runs, _replies, _own_files, _show_here
    _runs = frozenset(each.__code__ for each in runs)
    _replies = frozenset(each.__code__ for each in replies)
    _own_files = own_files
    if not sys.warnoptions:
        # In place of Python's own, so behind all that others have put before them.
        warnings.filters[:] = [each for each in warnings.filters if not _is_default(each)]
        warnings.simplefilter("always", object, append=True)
    if warnings.showwarning is not _show:
        _show_here = warnings.showwarning
        warnings.showwarning = _show


def _is_default(item):
    action, text, category, module, line = item
    if text is not None or line != 0:
        return False
    if action == "default":
        return category is DeprecationWarning and module == "__main__"
    return action == "ignore" and module is None and category in _IGNORED


def follow(ident):
    """On the event loop: what the task of now warns of, and what it starts, belongs to that call, until the returned is emptied."""
    global _followed
    if _followed is None:
        from contextvars import ContextVar

        _followed = ContextVar("pytest_peer_call")
    live = [ident]
    _followed.set(live)
    return live


def tell(runtime, ident):
    """Send what that call has warned of; before its reply."""
    for warning in recorded.pop(ident, {}).values():
        try:
            runtime.enqueue(messages.WARNING, ident, _packed(warning, runtime.by_value))
        except OSError:
            return  # the link is gone, and this process with it


def _show(message, category, filename, lineno, file=None, line=None):
    """In place of ``warnings.showwarning``."""
    try:
        cause = _Cause(sys._getframe(1), filename, lineno)
        if _of_our_threads(message, category):
            return
        if file is None and cause.ident is not None:
            _record(cause, message, category, filename, lineno)
            return
        if file is None and not _python_shows(message, category, filename, lineno, cause.frame):
            return
    except Exception:  # a fault of ours, or a warning whose str() raises
        pass
    _show_here(message, category, filename, lineno, file, line)


class _Cause:
    """What this thread is doing, found in its frames."""

    def __init__(self, frame, filename, lineno):
        #: The call that it is in.
        self.ident = None
        #: The frame that the warning points to, and whether that is in the call.
        self.frame = None
        self.inside = False
        #: Whether a finalizer warns.
        self.final = False
        run, over = None, False
        while frame is not None:
            code = frame.f_code
            if run is None:
                over = over or code in _replies
                self.final = self.final or code.co_name in _FINALIZERS
                if code in _runs:
                    run, self.inside = frame, self.frame is not None
            if self.frame is None and code.co_filename == filename and frame.f_lineno == lineno:
                self.frame = frame
            frame = frame.f_back
        if over:
            return
        if run is not None:
            self.ident = _ident(run)
        elif _followed is not None and _followed.get(None):
            self.ident = _followed.get()[0]
            self.inside = self.frame is not None


def _ident(run):
    names = run.f_locals
    ident = names["ident"] if names["kind"] == messages.CALL else None
    if type(names) is dict:
        names.clear()  # before Python 3.13 it is a copy, and what the call was given would live on in it
    return ident


def _record(cause, message, category, filename, lineno):
    kept = recorded.setdefault(cause.ident, {})
    key = (category, str(message), filename, lineno)
    if key in kept or len(kept) >= _MOST:
        return
    told = {
        "file": filename,
        "line": lineno,
        "module": None,
        "frames": [],
        "sources": {},
        "final": cause.final or issubclass(category, ResourceWarning),
        # A function that blames its caller, and was called by the test.
        "of caller": not cause.inside and (cause.frame is not None or filename in ("sys", "<sys>")),
    }
    if cause.inside:
        seen = frame_info.FrameCollector(_own_files, "")
        told["frames"] = [seen.frame(cause.frame, lineno, cause.frame.f_lasti)]
        told["sources"] = seen.sources
        told["module"] = cause.frame.f_globals.get("__name__") or "<string>"
    kept[key] = message, told


def _packed(warning, by_value):
    message, told = warning
    told["type"] = "%s.%s" % (type(message).__module__, type(message).__qualname__)
    told["text"] = str(message)
    told["category"] = exceptions.builtin_base(type(message)).__name__
    carried = exceptions.portable(message, by_value)
    data = pickle.dumps(dict(told, **carried), codec.PROTOCOL)
    if len(data) > CHUNK:  # in several parts it would be overtaken by the reply
        told["text"] = told["text"][:10000]
        data = pickle.dumps(dict(told, sources={}), codec.PROTOCOL)
    return data


def _of_our_threads(message, category):
    """Whether it warns of a fork because of threads that are ours: what is tested has none, and would not be warned in the test."""
    if category is not DeprecationWarning or "multi-threaded, use of" not in str(message):
        return False
    return all(
        thread is threading.main_thread() or thread.name.startswith(("peer-call-", "peer-event-"))
        for thread in threading.enumerate()
    )


def _python_shows(message, category, filename, lineno, frame):
    """What Python's own filters would say, if it is only ours that has let this through."""
    if sys.warnoptions:
        return True
    text = str(message)
    module = frame.f_globals.get("__name__", "<string>") if frame is not None else filename
    for item in warnings.filters:
        _, pattern, kind, where, line = item
        if (
            (pattern is None or pattern.match(text))
            and issubclass(category, kind)
            and (where is None or where.match(module))
            and line in (0, lineno)
        ):
            break
    else:
        return True
    if item != _OURS:
        return True
    if issubclass(category, _IGNORED) and not (
        issubclass(category, DeprecationWarning) and module == "__main__"
    ):
        return False
    place = (text, category, filename, lineno)
    if place in _shown:
        return False
    if len(_shown) < _MOST:
        _shown.add(place)
    return True
