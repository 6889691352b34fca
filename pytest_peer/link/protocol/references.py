"""Objects that a module holds travel as their name there: a copy would have a state of its own.

pickle does so for functions and classes that the module holds under their own name. This module
does it for those under another name, as decorators leave them, and for the owner of a bound method:
``random.seed``, ``os.environ.get``, ``sys.path.append``.
"""

from __future__ import annotations

import copyreg
import operator
import sys
import types
from functools import partial
from typing import Any, Iterable

from . import module_aliases

#: Owners of methods that are the same wherever they are: a copy is as good.
_CONSTANTS = (type, types.ModuleType, str, bytes, int, float, complex, tuple, frozenset, type(None))
#: Packages of ours. What they hold is another thing at the other end.
_OURS = ("pytest_peer", "pytest_peer_agent")


def reference(obj: Any) -> Any:
    """Refer to a function, a class or a decorator's object; for a pickler's `reducer_override`."""
    if type(obj) in _METHODS or not isinstance(getattr(obj, "__qualname__", None), str):
        return NotImplemented
    found = module_aliases.reference(obj)
    if found is not NotImplemented:
        return found
    home: Any = getattr(obj, "__module__", None)
    if _is_plain(obj) and _leads_to(sys.modules.get(home), obj.__qualname__, obj):
        return found  # pickle finds it
    return _place(obj, "", (home,))


def called(fn: Any) -> Any:
    """Return what to send as the function of a call: its place, if it is an object with a state."""
    if callable(fn) and not (_is_plain(fn) or type(fn) in _METHODS or type(fn) is partial):
        place = _place(fn, "", (getattr(fn, "__module__", None),))
        return fn if place is NotImplemented else module_aliases.Made(place[0], *place[1])
    return fn


def reduce_method(method: Any) -> Any:
    """Refer to a method of an object that a module holds; for a pickler's `dispatch_table`."""
    owner = getattr(method, "__self__", None)
    if not isinstance(owner, _CONSTANTS) and _leads_to(owner, method.__name__, method):
        likely = type(owner).__module__, getattr(method, "__module__", None)
        found = _place(owner, ".%s" % method.__name__, likely)
        if found is not NotImplemented:
            return found
    return method.__reduce__()


def _refuse_descriptor(owner: Any) -> Any:
    raise TypeError("it owns file descriptor %s, which is another file there" % owner._handle)


_METHODS: dict[type, Any] = dict.fromkeys(
    (types.MethodType, types.BuiltinMethodType, types.MethodWrapperType), reduce_method
)
#: `copyreg`'s table with the methods and owners of descriptors added, for picklers.
dispatch_table: dict[type, Any] = {}


def update_dispatch_table() -> None:
    """Add what `copyreg` and `multiprocessing` have got since the last call."""
    connection: Any = sys.modules.get("multiprocessing.connection")
    classes = connection._ConnectionBase.__subclasses__() if connection is not None else ()
    own = {**_METHODS, **dict.fromkeys(classes, _refuse_descriptor)}
    if len(dispatch_table) != len(copyreg.dispatch_table) + len(own):
        dispatch_table.update(copyreg.dispatch_table)
        dispatch_table.update(own)


def _is_plain(obj: Any) -> bool:
    return isinstance(obj, type) or type(obj) in (types.FunctionType, types.BuiltinFunctionType)


def _leads_to(start: Any, path: str, obj: Any) -> bool:
    try:
        return bool(operator.attrgetter(path)(start) == obj)
    except Exception:  # a property of a class may raise anything
        return False


def _place(obj: Any, attribute: str, likely: Iterable[Any]) -> Any:
    for name in [*likely, *list(sys.modules)]:
        held = _importable(name)
        for key, value in list(held.items()):
            if value is obj and key.isidentifier():
                return operator.attrgetter(key + attribute), (module_aliases.imported(name),)
    return NotImplemented


def _importable(name: Any) -> dict[str, Any]:
    """Return what a module holds, if the other end can import it, too."""
    module = sys.modules.get(name)
    if name == "__main__" or str(name).partition(".")[0] in _OURS:
        return {}
    if not isinstance(module, types.ModuleType):
        return {}
    # Not by `vars`: that would load a module whose loading is put off.
    held: dict[str, Any] = object.__getattribute__(module, "__dict__")
    return held if held.get("__spec__") or held.get("__file__") else {}
