"""Finds the function that a point is for, or says why there is none, with the nearest names."""

import functools
import sys
import types
from typing import Any

from ..link.protocol import codec

#: What is written in C.
_BUILTIN = (
    types.BuiltinFunctionType,
    types.MethodDescriptorType,
    types.WrapperDescriptorType,
    types.MethodWrapperType,
    types.ClassMethodDescriptorType,
)
_SYSCALL = "; what is not written in Python is for `hold_at_syscall`, which is still to come"
#: Names in an error.
_MOST = 8


class NotFound(Exception):
    """There is no function for a point; `kind` is the error of the origin."""

    kind = "PointNotFound"


class NotAFunction(NotFound):
    kind = "NotAFunction"


_CACHED: Any = functools.cached_property


def found(target):
    """Return the Python function that a target is, or leads to; raise `NotFound`."""
    obj = _resolved(target) if isinstance(target, str) else target
    fn = _function(obj)
    if fn is None:
        name = target if isinstance(target, str) else getattr(target, "__qualname__", repr(target))
        raise NotAFunction(_refusal(name, obj))
    return fn


def _function(obj):
    while not isinstance(obj, types.FunctionType):
        if isinstance(obj, (types.MethodType, staticmethod, classmethod)):
            obj = obj.__func__
        elif isinstance(obj, property):
            obj = obj.fget
        elif isinstance(obj, _CACHED):
            obj = obj.func
        else:
            return None
    return obj


def _refusal(name, obj):
    if isinstance(obj, _BUILTIN):
        what = "is a function written in C"
    elif isinstance(getattr(obj, "__wrapped__", None), types.FunctionType):
        what = "is no function, but around one: '%s.__wrapped__'" % name
    elif isinstance(obj, type):
        what = "is a class, and no function"
        if isinstance(getattr(obj, "__init__", None), types.FunctionType):
            what += "; its instances are made by '%s.__init__'" % name
    elif "__call__" in dir(type(obj)) and _function(type(obj).__call__) is not None:
        what = "is no function, but calls one: '%s.__call__'" % name
    else:
        what = "is no function, but of type %s" % type(obj).__qualname__
    return "%s %s%s" % (name, what, _SYSCALL)


def _resolved(target):
    name, _, path = target.partition(":")
    try:
        return codec.resolved(target)
    except ModuleNotFoundError as exc:
        if exc.name is None or not ("%s." % name).startswith("%s." % exc.name):
            raise  # one that it imports
        raise NotFound(
            "%s: there is no module %r%s" % (target, exc.name, _modules(exc.name))
        ) from None
    except AttributeError:
        obj = codec.stand_ins.get(name, sys.modules.get(name))
        if obj is None:
            raise  # of its import
    at = "module %r" % name
    for part in path.split("."):
        try:
            step = getattr(obj, part)
        except AttributeError:
            if part == "<locals>":
                text = "%s: a function that is made by a call has no name that leads to it"
                raise NotFound(text % target) from None
            text = "%s: there is no %r in %s%s" % (target, part, at, _names(obj, part))
            raise NotFound(text) from None
        obj, at = step, "%r" % part
    return obj


def _names(obj, part):
    """Return which names are meant, perhaps."""
    import difflib

    names = [name for name in dir(obj) if isinstance(name, str)]
    near = difflib.get_close_matches(part, names, _MOST)
    if near:
        return "; the nearest: %s" % ", ".join(near)
    functions = [name for name, value in vars(obj).items() if _function(value) is not None]
    return "; its functions: %s" % ", ".join(functions[:_MOST]) if functions else ""


def _modules(name):
    import difflib
    import pkgutil

    parent, _, last = name.rpartition(".")
    path = getattr(sys.modules.get(parent), "__path__", None) if parent else None
    known = {each.name for each in pkgutil.iter_modules(path)} if path or not parent else set()
    known |= {
        each.rpartition(".")[2] for each in list(sys.modules) if each.rpartition(".")[0] == parent
    }
    near = difflib.get_close_matches(last, sorted(known), _MOST)
    return "; the nearest: %s" % ", ".join(near) if near else ""
