"""How the refusal of an object that cannot be pickled is worded, and which part it names."""

from __future__ import annotations

import collections
import copyreg
import functools
import types
from typing import Any, Callable, Tuple

from . import messages

#: The path of a refused part, the part, and why.
_Refused = Tuple[str, Any, BaseException]
#: How many levels down the search for the refused part goes.
_DEPTH = 20
#: What is made anew with a class.
_FIELDS = (types.MemberDescriptorType, types.GetSetDescriptorType)
_NOT_SENT = ("_abc_impl", "__annotate_func__")


def locate(obj: Any, refused: BaseException, dump: Callable[[Any], bytes]) -> str:
    """Say which part of `obj` is refused: go down while one of the parts is refused as well."""
    root = safe_repr(obj, _root) if callable(obj) else ""
    found = _search(("", obj, refused), dump, {id(obj): obj}, _DEPTH)
    path, obj, refused = found or ("", obj, refused)
    what = "%s of type %s" % (_short_repr(obj), type(obj).__qualname__)
    where = " at %s%s" % (root, path) if path else ""
    return "cannot be pickled: %s%s (%s: %s)" % (what, where, type(refused).__name__, refused)


def _search(
    whole: _Refused, dump: Callable[[Any], bytes], seen: dict[int, Any], depth: int
) -> _Refused | None:
    """Return the innermost part; ``None`` if all that is refused of it leads back to one `seen`."""
    path, obj, _ = whole
    try:
        parts = _parts(obj) if depth else []
    except Exception:  # an empty cell, a property that raises, an object that refuses itself
        parts = []
    leads_back = False
    for step, part in parts:
        if id(part) in seen:
            leads_back = True
            continue
        try:
            dump(part)
        except Exception as exc:
            seen[id(part)] = part
            found = _search((path + step, part, exc), dump, seen, depth - 1)
            if found is not None:
                return found
            leads_back = True
    return None if leads_back else whole


def _root(obj: Any) -> str:
    if isinstance(obj, types.MethodType):
        return "%s.%s" % (_root(obj.__self__), obj.__name__)
    own = getattr(obj, "__qualname__", None)
    return own if isinstance(own, str) else "%s()" % type(obj).__qualname__


def _parts(obj: Any) -> list[tuple[str, Any]]:
    members = _members(obj)
    if isinstance(obj, types.ModuleType) or (members and not hasattr(obj, "__dict__")):
        return members
    if isinstance(obj, type):
        own = [(key, part) for key, part in vars(obj).items() if key not in _NOT_SENT]
        return [(".%s" % key, part) for key, part in own if not isinstance(part, _FIELDS)]
    if isinstance(obj, types.FunctionType):
        import inspect  # not at the top: no boot needs it

        found = inspect.getclosurevars(obj)
        named = obj.__code__.co_varnames[: obj.__code__.co_argcount][::-1]
        defaults = {
            **dict(zip(named, (obj.__defaults__ or ())[::-1])),
            **(obj.__kwdefaults__ or {}),
        }
        parts = {**found.nonlocals, **defaults, **vars(obj), **found.globals}
        return [(".%s" % name, value) for name, value in parts.items()]
    if isinstance(obj, functools.partial):
        names: Any = ("func", "args", "keywords")
    elif isinstance(obj, types.MethodType):
        names = ("__self__",)
    else:
        obj.__reduce_ex__(messages.PICKLE)  # if it refuses that itself, no part is to blame
        # copyreg knows the slots of a class and its bases.
        slots: Any = getattr(copyreg, "_slotnames")(type(obj))  # noqa: B009 - not in typeshed
        args = ("args",) if isinstance(obj, BaseException) else ()
        names = (*args, *getattr(obj, "__dict__", ()), *slots)
    if "<" in type(obj).__qualname__:  # of a local class, which is sent as well
        names = (*names, "__class__")
    return [*members, *((".%s" % name, getattr(obj, name)) for name in names if hasattr(obj, name))]


def _members(obj: Any) -> list[tuple[str, Any]]:
    if type(obj) is collections.defaultdict:
        return [(".default_factory", obj.default_factory), *_members(dict(obj))]
    if isinstance(obj, (dict, types.MappingProxyType)):
        return [("[%s]" % _short_repr(key), value) for key, value in obj.items()]
    if isinstance(obj, (list, tuple, collections.deque)):
        return [("[%d]" % index, value) for index, value in enumerate(obj)]
    if isinstance(obj, (set, frozenset)):
        return [("{...}", value) for value in obj]
    return []


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
