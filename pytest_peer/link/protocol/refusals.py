"""How the refusal of an object that cannot be pickled is worded, and which part it names."""

from __future__ import annotations

import types
from typing import Any, Callable

#: How many levels down the search for the refused part goes.
_DEPTH = 20


def locate(obj: Any, refused: BaseException, dump: Callable[[Any], bytes]) -> str:
    """Say which part of `obj` is refused: go down while one of the parts is refused as well."""
    path = ""
    root = _root(obj) if callable(obj) else ""
    for _ in range(_DEPTH):
        for step, part in _parts(obj):
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
    if isinstance(obj, dict):
        return [("[%s]" % _short_repr(key), value) for key, value in obj.items()]
    if isinstance(obj, (list, tuple)):
        return [("[%d]" % index, value) for index, value in enumerate(obj)]
    if isinstance(obj, (set, frozenset)):
        return [("{...}", value) for value in obj]
    if isinstance(obj, (type, types.ModuleType)):
        return []
    if isinstance(obj, types.FunctionType):
        return _parts_of_function(obj)
    names = ["__self__", "func", "args", "keywords"]  # of bound methods and partial objects
    parts = [(".%s" % name, getattr(obj, name)) for name in names if _has(obj, name)]
    state = getattr(obj, "__dict__", None)
    if isinstance(state, dict):
        parts += [(".%s" % name, value) for name, value in state.items()]
    slots = [vars(cls).get("__slots__", ()) for cls in type(obj).__mro__]
    for each in slots:
        for name in [each] if isinstance(each, str) else each:
            if _has(obj, name):
                parts.append((".%s" % name, getattr(obj, name)))
    return parts


def _parts_of_function(fn: types.FunctionType) -> list[tuple[str, Any]]:
    """Return what travels along with a function by value, by the names that the function uses."""
    parts = [(".__globals__[%r]" % n, fn.__globals__.get(n)) for n in fn.__code__.co_names]
    for name, cell in zip(fn.__code__.co_freevars, fn.__closure__ or ()):
        try:
            parts.append((".__closure__[%r]" % name, cell.cell_contents))
        except ValueError:
            pass  # the cell is empty
    others = ("__defaults__", "__kwdefaults__", "__dict__")
    return parts + [(".%s" % name, getattr(fn, name)) for name in others]


def _has(obj: Any, name: str) -> bool:
    try:
        return hasattr(obj, name)
    except Exception:
        return False


def _short_repr(obj: Any) -> str:
    text = safe_repr(obj)
    return text if len(text) <= 80 else text[:77] + "..."


def safe_repr(obj: Any) -> str:
    """Return ``repr(obj)``, or a replacement where that fails."""
    try:
        return repr(obj)
    except Exception as exc:
        return "<%s object, whose repr raised %s>" % (type(obj).__qualname__, type(exc).__name__)
