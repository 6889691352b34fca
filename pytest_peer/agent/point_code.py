"""Puts points into a function: other code takes the place of its own, and passes them on the way.

The function stays the same object, so it is held by every alias and bound method, and its own code
is left as it is: coverage, debuggers and tools of `sys.monitoring` find it unchanged. That is the way
on all versions of Python. A callback of `sys.monitoring` could not await, would not know with which
arguments the function was called, and would come for all functions that share a code, as those of
one decorator do.
"""

import sys
import types
from typing import Any

from ..core.locks import Lock
from ..link.protocol.unpatched import _thread, os
from . import call_warnings, runtime

_PACKAGE = __package__.partition(".")[0]
#: Stands in the code for the `Passage`.
_HERE = "@"
_GENERATOR, _COROUTINE, _ITERABLE_COROUTINE, _ASYNC_GENERATOR = 0x20, 0x80, 0x100, 0x200

_PLAIN = """
    points = "@".passing(args, kwargs)
    "@".stop(points, "entry", args, kwargs)
    try:
        value = "@".copy(*args, **kwargs)
    except BaseException:
        "@".stop(points, "raise", args, kwargs)
        raise
    "@".stop(points, "return", args, kwargs)
    return value
"""
#: `GeneratorExit` is of who closes it, and nothing that the function raises.
_OF_GENERATORS = _PLAIN.replace(
    "    except Base", "    except GeneratorExit:\n        raise\n    except Base"
)
_IN_GENERATOR = _OF_GENERATORS.replace("value = ", "value = yield from ")
_IN_COROUTINE = _OF_GENERATORS.replace("value = ", "value = await ").replace(
    '"@".stop', 'await "@".astop'
)
#: There is no ``yield from`` for it. Its end is the `StopAsyncIteration` of its last step.
_IN_ASYNC_GENERATOR = """
    points = "@".passing(args, kwargs)
    await "@".astop(points, "entry", args, kwargs)
    source = "@".copy(*args, **kwargs)
    try:
        value = await source.__anext__()
        while True:
            try:
                sent = yield value
            except GeneratorExit:
                await source.aclose()
                raise
            except BaseException as exc:
                value = await source.athrow(exc)
            else:
                value = await source.asend(sent)
    except StopAsyncIteration:
        pass
    except GeneratorExit:
        raise
    except BaseException:
        await "@".astop(points, "raise", args, kwargs)
        raise
    await "@".astop(points, "return", args, kwargs)
"""

_lock = Lock()


def _forked():
    global _lock
    _lock = Lock()  # another thread may have held it


os.register_at_fork(after_in_child=_forked)

#: Of functions that have points, by their identities.
_passages: Any = {}
#: Threads that ask the user's code about a call: `when`, or the ``repr`` of an argument.
_asking = set()


class Passage:
    """What all calls of a function pass: the points in it, in the order of their declaration."""

    def __init__(self, fn):
        self.fn = fn
        self.points = ()
        self.own = fn.__code__
        self.copy = _copy(fn)
        self.ours = _passing(fn, self)

    def passing(self, args, kwargs):
        """Return the points that see a call, when it begins."""
        if not self.points or _is_ours(sys._getframe(1).f_back) or _thread.get_ident() in _asking:
            return ()
        return asked(lambda: [each for each in self.points if each.sees(args, kwargs)])

    def stop(self, points, at, args, kwargs):
        """Let the thread wait at the points, or raise what they say."""
        for point in points:
            if point.at == at:
                held = point.reach(self, args, kwargs, False)
                if held is not None:
                    held.wait()

    async def astop(self, points, at, args, kwargs):
        """Let the task wait at the points, and not its event loop."""
        for point in points:
            if point.at == at:
                held = point.reach(self, args, kwargs, True)
                if held is not None:
                    await held.await_release()

    def described(self, args, kwargs):
        """Return a call as text, by the reprs of its arguments."""
        names = self.own.co_varnames[: self.own.co_argcount]
        parts = ["%s=%s" % (name, _repr(value)) for name, value in zip(names, args)]
        parts += [_repr(value) for value in args[len(names) :]]
        parts += ["%s=%s" % (name, _repr(value)) for name, value in kwargs.items()]
        return "%s(%s)" % (self.fn.__qualname__, ", ".join(parts))


def add(fn, point):
    """Put a point into a function; return the passage, from which `remove` takes it."""
    with _lock:
        passage = _passages.get(id(fn))
        if passage is None or fn.__code__ is not passage.ours:
            passage = _passages[id(fn)] = Passage(fn)
            if "__wrapped__" not in fn.__dict__:
                fn.__wrapped__ = passage.copy  # for `inspect.signature`
            fn.__code__ = passage.ours
        passage.points += (point,)
        return passage


def remove(passage, point):
    """Take a point away; the last one leaves the function as it was."""
    fn = passage.fn
    with _lock:
        passage.points = tuple(each for each in passage.points if each is not point)
        if passage.points:
            return
        if fn.__code__ is passage.ours:  # else somebody has put another code there meanwhile
            fn.__code__ = passage.own
        if fn.__dict__.get("__wrapped__") is passage.copy:
            del fn.__wrapped__
        if _passages.get(id(fn)) is passage:
            del _passages[id(fn)]


def own_of(code):
    """Return the own code of the function in which this one passes points; ``None`` for any other."""
    found = (each.own for each in code.co_consts if type(each) is Passage)
    return next(found, None) if code.co_filename == __file__ else None


def asked(ask):
    """Return what the user's code says about a call; its own calls meanwhile pass no points."""
    thread = _thread.get_ident()
    _asking.add(thread)
    try:
        return ask()
    finally:
        _asking.discard(thread)


def _is_ours(frame):
    """Return whether the agent calls by itself, which must go on, and not for a call."""
    module = str(frame.f_globals.get("__name__")) if frame is not None else ""
    ours = module.partition(".")[0] == _PACKAGE
    if ours and frame.f_code.co_name not in call_warnings.RUNNERS:
        return True
    peer = runtime.runtime  # a finalizer may run on the thread that reads the link
    return os.getpid() == peer.pid and peer.reader.stands_by_here()


def _copy(fn):
    """Return a function that does what `fn` does now."""
    parts = fn.__code__, fn.__globals__, fn.__name__, fn.__defaults__, fn.__closure__
    copy: Any = types.FunctionType(*parts)
    copy.__kwdefaults__ = fn.__kwdefaults__
    for name in ("__module__", "__qualname__", "__doc__"):
        setattr(copy, name, getattr(fn, name))
    if hasattr(fn, "__annotate__"):  # Python 3.14 evaluates them when they are needed
        copy.__annotate__ = fn.__annotate__
    else:
        copy.__annotations__ = fn.__annotations__
    copy.__dict__.update(fn.__dict__)
    return copy


def _passing(fn, passage):
    """Return a code of the same kind that passes the points; it takes whatever it is called with."""
    code = fn.__code__
    body, kind = _PLAIN, "def"
    if code.co_flags & _GENERATOR:
        body = _IN_GENERATOR
    elif code.co_flags & _COROUTINE:
        body, kind = _IN_COROUTINE, "async def"
    elif code.co_flags & _ASYNC_GENERATOR:
        body, kind = _IN_ASYNC_GENERATOR, "async def"
    # Python takes only a code with as many free variables.
    free = ["free%d" % number for number in range(len(code.co_freevars))]
    lines = ["def make():", *(" %s = None" % name for name in free)]
    lines.append(" %s passing(*args, **kwargs):" % kind)
    lines += ["    nonlocal %s" % name for name in free]
    lines += [body, " return passing"]
    made: Any = {}
    exec(compile("\n".join(lines), __file__, "exec", dont_inherit=True), made)
    found = made["make"]().__code__
    changes = {
        "co_name": code.co_name,
        "co_flags": found.co_flags | (code.co_flags & _ITERABLE_COROUTINE),
        "co_consts": tuple(passage if each == _HERE else each for each in found.co_consts),
    }
    if hasattr(code, "co_qualname"):
        changes["co_qualname"] = code.co_qualname
    return found.replace(**changes)


def _repr(value):
    try:
        text = repr(value)
    except Exception as exc:
        text = "<%s whose repr raises %s>" % (type(value).__name__, type(exc).__name__)
    return text if len(text) <= 1000 else "%s..." % text[:1000]
