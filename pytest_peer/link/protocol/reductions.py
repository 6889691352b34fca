"""Objects that pickle would copy though they are to travel by reference, or not at all.

A decorated function can have the wrapper's name, and the ``__self__`` of a bound method has none.
Such an object travels by reference if a module held it before a test could put it there: what a
test patches into a module is not in the peer's.
"""

from __future__ import annotations

import operator
import sys
import types
from typing import Any, Callable, Mapping

from . import module_aliases
from .unpatched import pickle

_METHODS = (types.MethodType, types.BuiltinMethodType, type([].__len__))
#: Modules, and what they held when they were seen first, by name.
_seen: dict[str, tuple[types.ModuleType, dict[str, Any]]] = {}
#: Where these objects are, by their identities: the module and its name for the object.
_places: dict[int, tuple[str, str]] = {}


def remember() -> None:
    """Note what new modules hold; at the origin before each test.

    It evaluates nothing: a module may be lazy, and so may be what it holds.
    """
    for name, module in list(sys.modules.items()):
        known = name in _seen and _seen[name][0] is module
        if not known and type(module) is types.ModuleType and name != "__main__":
            _seen[name] = module, dict(vars(module))
            _places.clear()
    for name in _seen.keys() - sys.modules.keys():
        del _seen[name]
        _places.clear()  # before another object has the identity of one of these


def _place(obj: Any) -> module_aliases.Made | None:
    """Return what stands for an object that a module holds."""
    if not _seen or next(reversed(sys.modules)) not in _seen:  # something was imported
        remember()
    if not _places:
        for name, (_, held) in list(_seen.items()):
            if held.get("__spec__") or held.get("__file__"):  # the other end can import it
                for key, value in held.items():
                    _places.setdefault(id(value), (name, key))
    if id(obj) not in _places:
        return None
    name, key = _places[id(obj)]
    return module_aliases.Made(operator.attrgetter(key), module_aliases.imported(name))


def reference(obj: Any) -> Any:
    """Refer to a function, class or decorator; for a pickler's `reducer_override`."""
    found = module_aliases.reference(obj)
    if found is not NotImplemented or type(obj) in _METHODS or not callable(obj):
        return found
    named = issubclass(type(obj), (type, types.FunctionType))
    by_name = named and module_aliases.is_in(sys.modules.get(obj.__module__), obj)
    place = None if by_name else _place(obj)
    if place is None or not (named or _wraps(obj, _places[id(obj)][1])):
        return NotImplemented
    return place.__reduce__()


def _wraps(obj: Any, name: str) -> bool:
    """Return whether an object has taken the place of the function of that name."""
    parts = list(getattr(obj, "__dict__", {}).values())
    if any("__wrapped__" in vars(each) for each in type(obj).__mro__):
        parts.append(obj.__wrapped__)
    return any(type(each) is types.FunctionType and each.__name__ == name for each in parts)


def table(others: Mapping[type, Any], memo: Callable[[], Any]) -> dict[type, Callable[[Any], Any]]:
    """Return the dispatch table for a pickler with that `memo`, over that with the `others`."""

    def method(method: Any) -> Any:
        return _method(method, memo) or others.get(type(method), _by_function)(method)

    reductions: dict[type, Any] = {**others, **dict.fromkeys(_METHODS, method)}
    if "multiprocessing.connection" in sys.modules:
        reductions[sys.modules["multiprocessing.connection"].Connection] = _refuse_descriptor
    return reductions


def _method(method: Any, memo: Callable[[], Any]) -> Any:
    """Refer to a bound method of an object that a module holds, or return ``None``."""
    owner = method.__self__
    # What has a hash of its own is equal by value, as a Path is: a copy is as good.
    hashes: Any = type(owner).__hash__
    if isinstance(owner, (type, types.ModuleType)) or hashes not in (None, object.__hash__):
        return None
    name, place = _attribute(method), _place(owner)
    if name is None or place is None or id(owner) in memo().copy():
        return None  # of an object that is sent along
    return getattr, (place, name)


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


def _refuse_descriptor(_: Any) -> Any:
    # pickle would copy the number of the descriptor, which is another file at the other end.
    raise pickle.PicklingError("it owns a file descriptor, which belongs to this process")
