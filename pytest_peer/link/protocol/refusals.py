"""How the refusal of an object that cannot be pickled is worded, and which part it names."""

from __future__ import annotations

import collections
import copyreg
import functools
import types
from typing import Any, Callable

#: How many levels down the search for the refused part goes.
_DEPTH = 20


def locate(obj: Any, refused: BaseException, dump: Callable[[Any], bytes]) -> str:
    """Say which part of `obj` is refused: go down while one of the parts is refused as well."""
    path = ""
    root = safe_repr(obj, _root) if callable(obj) else ""
    for _ in range(_DEPTH):
        try:
            parts = _parts(obj)
        except Exception:  # an empty cell, a property that raises
            break
        for step, part in parts:
            try:
                dump(part)
            except Exception as exc:
                obj, refused = part, exc
                path += step
                break
        else:
            break
    what = "%s of type %s" % (_short_repr(obj), type(obj).__qualname__)
    where = " at %s%s" % (root, path) if path else ""
    return "cannot be pickled: %s%s (%s: %s)" % (what, where, type(refused).__name__, refused)


def _root(obj: Any) -> str:
    if isinstance(obj, types.MethodType):
        return "%s.%s" % (_root(obj.__self__), obj.__name__)
    own = getattr(obj, "__qualname__", None)
    return own if isinstance(own, str) else "%s()" % type(obj).__qualname__


def _parts(obj: Any) -> list[tuple[str, Any]]:
    members: list[tuple[str, Any]] = []
    names: Any
    if isinstance(obj, dict):
        members = [("[%s]" % _short_repr(key), value) for key, value in obj.items()]
    elif isinstance(obj, (list, tuple, collections.deque)):
        members = [("[%d]" % index, value) for index, value in enumerate(obj)]
    elif isinstance(obj, (set, frozenset)):
        members = [("{...}", value) for value in obj]
    if isinstance(obj, (type, types.ModuleType)):
        return []
    if isinstance(obj, types.FunctionType):
        import inspect  # not at the top: no boot needs it

        found = inspect.getclosurevars(obj)
        names = obj.__code__.co_varnames[: obj.__code__.co_argcount][::-1]
        defaults = zip(names, (obj.__defaults__ or ())[::-1])
        parts = {**found.globals, **found.nonlocals, **vars(obj), **(obj.__kwdefaults__ or {})}
        parts.update(defaults)
        return [(".%s" % name, value) for name, value in parts.items()]
    if isinstance(obj, functools.partial):
        names = ("func", "args", "keywords")
    elif isinstance(obj, types.MethodType):
        names = ("__self__",)
    else:  # copyreg knows the slots of a class and its bases
        slots: Any = getattr(copyreg, "_slotnames")(type(obj))  # noqa: B009 - not in typeshed
        names = (*getattr(obj, "__dict__", ()), *slots)
    return [*members, *((".%s" % name, getattr(obj, name)) for name in names if hasattr(obj, name))]


def _short_repr(obj: Any) -> str:
    text = safe_repr(obj)
    return text if len(text) <= 80 else text[:77] + "..."


def safe_repr(obj: Any, show: Callable[[Any], str] = repr) -> str:
    """Return ``repr(obj)``, or a replacement where that fails."""
    try:
        return show(obj)
    except Exception as exc:
        text = "<%s object, whose %s raised %s>"
        return text % (type(obj).__qualname__, show.__name__, type(exc).__name__)
