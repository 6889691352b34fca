"""Objects that pickle would copy though they are to travel by reference, or not at all.

A decorated function can have the wrapper's name, and the ``__self__`` of a bound method has none.
Such an object travels by reference if the module itself put it there. What a test has patched into
a module does not: the peer's module has the original.
"""

from __future__ import annotations

import copyreg
import operator
import os
import pickle
import sys
import types
from typing import Any, Callable, Iterator, Mapping

from . import module_aliases

_METHODS = (types.MethodType, types.BuiltinMethodType, type([].__len__))
#: Parts of the file names of modules that are not the user's.
_LIBRARIES = (os.path.dirname(os.__file__), "site-packages", "dist-packages")
#: How many of the objects that a callable refers to are looked at for the function it wraps.
_MOST_WRAPPED = 50


def table(others: Mapping[type, Any] = copyreg.dispatch_table) -> dict[type, Callable[[Any], Any]]:
    """Return the dispatch table for a pickler."""
    reductions: dict[type, Any] = {**others, **dict.fromkeys(_METHODS, _reduced_method)}
    if "multiprocessing.connection" in sys.modules:
        reductions[sys.modules["multiprocessing.connection"].Connection] = _refuse_descriptor
    return reductions


def reference(obj: Any) -> Any:
    """Refer to a callable that a module holds; for a pickler's `reducer_override`."""
    found = module_aliases.reference(obj)
    if found is NotImplemented and callable(obj) and type(obj) not in _METHODS:
        try:
            return _of_callable(obj)
        except Exception:  # parts of an object of the user may raise anything
            pass
    return found


def _reduced_method(method: Any) -> Any:
    owner, name = method.__self__, method.__name__
    if owner is not None and not isinstance(owner, (type, types.ModuleType)):
        try:
            same = getattr(owner, name) == method
            if same and (holder := _of_owner(owner)):
                return getattr, (holder, name)
        except Exception:  # as above
            same = False
        # As `super().run`, whose name leads to another method.
        if not same and type(method) is types.MethodType:
            return types.MethodType, (method.__func__, owner)
    return method.__reduce__()


def _refuse_descriptor(_: Any) -> Any:
    # pickle would copy the number of the descriptor, which is another file at the other end.
    raise pickle.PicklingError("it owns a file descriptor, which belongs to this process")


def _held(module: str, name: str) -> module_aliases.Made:
    return module_aliases.Made(operator.attrgetter(name), module_aliases.imported(module))


def _of_callable(obj: Any) -> Any:
    named = obj if isinstance(obj, (type, types.FunctionType)) else type(obj)
    for name, module in _modules(obj.__module__):
        if _at(module, getattr(obj, "__qualname__", "")) is obj:
            return NotImplemented  # pickle finds it
        for key, value in list(vars(module).items()) if named is obj else ():
            if value is obj and not _made_by_test(obj, vars(module)):
                return _held(name, key).__reduce__()
    # A wrapper of another module: the wrapped function's name leads to it.
    for fn in _wrapped(obj):
        for name, module in _modules(fn.__module__):
            if _at(module, fn.__qualname__) is obj and _uses(module, named.__module__):
                return _held(name, fn.__qualname__).__reduce__()
    return NotImplemented


def _at(found: Any, name: str) -> Any:
    for part in name.split("."):
        found = getattr(found, part, None)
    return found


def _made_by_test(obj: Any, namespace: dict[str, Any]) -> bool:
    """Return whether the function that has made the object still runs, or is a fixture."""
    maker = namespace.get(obj.__qualname__.partition(".<locals>")[0])
    code = getattr(maker, "__code__", None)
    frame: types.FrameType | None = sys._getframe() if code is not None else None
    while frame is not None:
        if frame.f_code is code:
            return True
        frame = frame.f_back
    return type(maker).__name__ == "FixtureFunctionDefinition"


def _wrapped(obj: Any) -> Iterator[types.FunctionType]:
    """Yield the functions that a callable leads to, by ``__wrapped__``, closure or attributes."""
    found = [obj]
    for each in found:
        if each is not obj and type(each) is types.FunctionType:
            yield each
        parts = [getattr(each, "__wrapped__", None)]
        if isinstance(each, types.FunctionType):
            parts += [_contents(cell) for cell in each.__closure__ or ()]
        elif each is obj:
            parts += getattr(each, "__dict__", {}).values()
        for part in parts:
            if callable(part) and len(found) < _MOST_WRAPPED:
                found.append(part)


def _contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:  # it is empty
        return None


def _of_owner(owner: Any) -> module_aliases.Made | None:
    kind: Any = type(owner)
    # What has a hash of its own is equal by value, as a Path is: a copy is as good.
    if kind.__hash__ not in (None, object.__hash__):
        return None
    names = {each.__module__ for each in kind.__mro__ if each is not object}
    modules = [(name, sys.modules[name]) for name in names if name in sys.modules]
    for name, module in modules + _users_modules():
        for key, value in list(getattr(module, "__dict__", {}).items()):
            if value is owner and _uses(module, kind.__module__) and name != "__main__":
                return _held(name, key)
    return None


def _uses(module: types.ModuleType, name: str) -> bool:
    """Return whether a module has a class, function or module of the package of that name."""
    package = name.partition(".")[0]
    origins = ["builtins", module.__name__]
    for value in list(vars(module).values()):
        if isinstance(value, types.ModuleType):
            origins.append(value.__name__)
        # Not a local function, which may be a spy of a test.
        elif isinstance(value, (type, types.FunctionType)) and "<locals>" not in value.__qualname__:
            origins.append(str(value.__module__))
    return any(origin.partition(".")[0] == package for origin in origins)


def _modules(name: Any) -> list[tuple[str, types.ModuleType]]:
    """Return the modules of a name that the other end can import."""
    named = [(name, sys.modules[name])] if name in sys.modules and name != "__main__" else []
    return [
        (name, module)
        for name, module in named + module_aliases.named_like(name)
        if getattr(module, "__spec__", None) or getattr(module, "__file__", None)
    ]


_is_users: dict[str, bool] = {}


def _users_modules() -> list[tuple[str, types.ModuleType]]:
    """Return the modules that are neither the interpreter's nor installed, and `sys`."""
    modules = list(sys.modules.items())
    for name, module in modules:
        if name not in _is_users:
            file = getattr(module, "__file__", None)
            own = isinstance(file, str) and not any(part in file for part in _LIBRARIES)
            _is_users[name] = own or name == "sys"
    return [(name, module) for name, module in modules if _is_users[name]]
