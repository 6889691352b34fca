"""Objects that pickle would copy though they are to travel by reference, or not at all.

A decorated function can have the wrapper's name, and the ``__self__`` of a bound method has none.
Such an object travels by reference if a module held it before a test could put it there: what a
test patches into a module is not in the peer's.
"""

from __future__ import annotations

import sys
import types
from operator import attrgetter
from typing import Any, Callable, Iterator, Mapping

from . import module_aliases
from .unpatched import os, pickle

_METHODS = (types.MethodType, types.BuiltinMethodType, type([].__len__))
_REFERRED = (*_METHODS, types.FunctionType)
_UNBOUND = (types.FunctionType, types.WrapperDescriptorType)
_LIBRARIES = (os.path.dirname(os.__file__), "site-packages", "dist-packages")
_STREAMS = ("stdout", "stderr", "stdin")
_loaded: dict[str, Any] = {}  # `sys.modules` when that was looked at last; empty in peers
#: What modules held before a test could change it, by name. Objects of the user's modules are kept
#: weakly where that is possible: a test may look whether they are freed.
_seen: dict[str, tuple[dict[str, Any], Any]] = {}
#: Where objects are, by their identities: the module and its name for the object.
_places: dict[int, tuple[str, str]] = {}


def remember() -> None:
    """Note what modules hold that are new; at the origin before each test, or start of a peer.

    It evaluates nothing: a module may be lazy, and so may be what it holds.
    """
    import weakref  # not at the top: no boot needs it

    global _places, _loaded
    loaded = sys.modules.copy()
    loaded.pop("__main__", None)
    if loaded == _loaded:
        return
    for name, module in loaded.items():
        if type(module) is types.ModuleType and _loaded.get(name) is not module:
            held = dict(vars(module))
            weak: Any = weakref.WeakValueDictionary()
            file = held.get("__file__")
            if isinstance(file, str) and not any(part in file for part in _LIBRARIES):
                for key, value in list(held.items()):
                    if type(value).__weakrefoffset__:
                        weak[key] = held.pop(key)
                    if issubclass(type(value), type) and value.__module__ == name:
                        weak.update(_renamed(value, key))
            _seen[name] = held, weak
    for name in _seen.keys() - loaded.keys():
        _seen.pop(name, None)
    _loaded, _places = loaded, {}  # at the end: an interrupted look is repeated


def _renamed(cls: type, path: str) -> Iterator[tuple[str, Any]]:
    """Yield the functions of a class that have another name than it has for them, as decorated."""
    for name, value in list(vars(cls).items()):
        own, there = "%s.%s" % (cls.__qualname__, name), "%s.%s" % (path, name)
        if type(value) in (staticmethod, classmethod):
            there += ".__func__" if type(value) is classmethod else ""
            value = value.__func__
        if type(value) is types.FunctionType and value.__qualname__ != own:
            yield there, value
        elif issubclass(type(value), type) and value.__qualname__ == own:
            yield from _renamed(value, there)


def _place(obj: Any) -> tuple[str, str] | None:
    """Return the module that holds an object, and the name for it."""
    global _places
    if (stream := _stream(obj)) is not None:
        return stream
    if _loaded and len(sys.modules) != len(_loaded) + 1:  # with `__main__`
        remember()  # a test has imported more
    places = _places
    if not places:
        places = {}  # another thread sees it whole, or not at all
        for name, (held, weak) in list(_seen.items()):
            if held.get("__spec__") or weak.get("__spec__") or held.get("__file__"):
                for key, value in [*held.items(), *weak.items()]:
                    place = name, key
                    # Plugins put theirs into others' modules, as `pytest.assume`.
                    first = (
                        place if type(value).__module__ == name else places.get(id(value), place)
                    )
                    places[id(value)] = first
        _places = places
    name, key = places.get(id(obj), ("", ""))
    if name not in _seen:
        return None
    held, weak = _seen[name]  # another object may have had the identity
    return (name, key) if held.get(key, weak.get(key)) is obj else None


def _stream(obj: Any) -> tuple[str, str] | None:
    """Return the place of a standard stream, whatever pytest has put there."""
    if obj is not None:  # as they are where a process has no such file
        for name in _STREAMS:
            if vars(sys).get(name) is obj:
                return "sys", name
    return None


def _held(place: tuple[str, str]) -> module_aliases.Made:
    return module_aliases.Made(attrgetter(place[1]), module_aliases.imported(place[0]))


def reference(obj: Any, home: str = "") -> Any:
    """Refer to a function, class or decorator; for a pickler's `reducer_override`.

    :param home: a module that the other end cannot import.
    """
    if (stream := _stream(obj)) is not None:
        return _held(stream).__reduce__()
    found = module_aliases.reference(obj)
    if found is not NotImplemented or type(obj) in _METHODS or not callable(obj):
        return found
    if isinstance(obj, types.MethodType):  # says what stands for a method, as wrapt's proxies do
        place = _place(obj.__self__)
        held = place is not None and place[0] != home and not _is_constant(obj.__self__)
        return getattr, (_held(place) if place and held else obj.__self__, obj.__name__)
    named = issubclass(type(obj), (type, types.FunctionType))
    by_name = named and module_aliases.is_in(sys.modules.get(obj.__module__), obj)
    place = None if by_name else _place(obj)
    if place is None or place[0] == home or not (named or _wraps(obj, place[1])):
        return NotImplemented
    return _held(place).__reduce__()


def _wraps(obj: Any, name: str) -> bool:
    """Return whether an object has taken the place of the function of that name."""
    parts = list(getattr(obj, "__dict__", {}).values())
    if any("__wrapped__" in vars(each) for each in type(obj).__mro__):
        parts.append(obj.__wrapped__)
    return any(type(each) is types.FunctionType and each.__name__ == name for each in parts)


def table(
    others: Mapping[type, Any], memo: Callable[[], Any], home: str = ""
) -> dict[type, Callable[[Any], Any]]:
    """Return the dispatch table for a pickler with that `memo`, over that with the `others`."""

    def method(method: Any) -> Any:
        return _method(method, memo, home) or others.get(type(method), _by_function)(method)

    reductions: dict[type, Any] = {**others, **dict.fromkeys(_METHODS, method)}
    # A peer asks the origin for a module that this one imports, while it is not complete yet.
    connection = getattr(sys.modules.get("multiprocessing.connection"), "Connection", None)
    if connection is not None:
        reductions[connection] = refuse_descriptor
    return reductions


def _method(method: Any, memo: Callable[[], Any], home: str) -> Any:
    """Refer to a bound method of an object that a module holds, or return ``None``.

    To pickle, a module's function in C is a method of that module.
    """
    owner = method.__self__
    if isinstance(owner, types.ModuleType):
        # A function in C. Here its module may have another in its place, as a test has patched it.
        name = method.__name__
        replaced = vars(owner).get(name, method) is not method
        return (getattr, (module_aliases.imported(owner.__name__), name)) if replaced else None
    if isinstance(owner, type) or _is_constant(owner):
        return None
    name, place = _attribute(method), _place(owner)
    if name is None or place is None or place[0] == home or id(owner) in memo().copy():
        return None  # of an object that is sent along
    return getattr, (_held(place), name)


def _is_constant(obj: Any) -> bool:
    """Return whether it has a hash and is equal by value, as a Path is: a copy is as good."""
    cls: Any = type(obj)
    return cls.__hash__ not in (None, object.__hash__) and cls.__eq__ is not object.__eq__


def callee(fn: Any) -> Any:
    """Return what to call for an object that a module holds: its bound method ``__call__``."""
    if type(fn) in _REFERRED or isinstance(fn, type) or not callable(fn):
        return fn
    call: Any = type(fn).__call__
    return types.MethodType(call, fn) if type(call) in _UNBOUND and _place(fn) else fn


def _attribute(method: Any) -> str | None:
    """Return the name by which an object has a method."""
    if type(method) is not types.MethodType:
        return str(method.__name__)
    for each in type(method.__self__).__mro__:
        for name, value in vars(each).items():
            if value is method.__func__ and _leads_to(name, method):
                return name
    return None


def _leads_to(name: str, method: types.MethodType) -> bool:
    """Return whether a method is its object's attribute of that name, without asking the object."""
    import inspect  # not at the top: no boot needs it

    found: Any = inspect.getattr_static(method.__self__, name, None)
    return getattr(found, "__func__", found) is method.__func__


def _by_function(method: Any) -> Any:
    fn = getattr(method, "__func__", None)
    # pickle takes the name. With `super().run` or a decorator that leads to another method.
    if type(fn) is types.FunctionType and not _leads_to(fn.__name__, method):
        return fn.__get__, (method.__self__,)
    return method.__reduce__()


def refuse_descriptor(_: Any) -> Any:
    """Refuse what owns a file descriptor."""
    # pickle would copy the number of the descriptor, which is another file at the other end.
    raise pickle.PicklingError("it owns a file descriptor, which belongs to this process")
