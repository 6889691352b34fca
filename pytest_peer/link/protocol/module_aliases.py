"""Modules that another one of the same name has pushed out of ``sys.modules``, as pytest does with conftests.

Such a module has a second name there, at both ends the same: pickle finds by that what it would look for in the wrong module.
"""

from __future__ import annotations

import operator
import sys
import types
from typing import Any

#: Between a module's own name and a number, in a second name.
MARK = "@"


def own_name(name: str) -> str:
    """The name that the module itself has."""
    return name.partition(MARK)[0]


def any_loaded() -> bool:
    """Whether there is such a module; asked for each object that pickle refuses."""
    return bool(_loaded())


def reference(obj: Any) -> Any:
    """For a pickler's `reducer_override`: how to refer to a function or class in such a module."""
    if isinstance(obj, (type, types.FunctionType)):
        for name, module in _others(getattr(obj, "__module__", None)):
            found: Any = module
            for part in obj.__qualname__.split("."):
                found = getattr(found, part, None)
            if found is obj:
                return operator.attrgetter(obj.__qualname__), (Imported(name),)
    return NotImplemented


def with_globals(fn: types.FunctionType) -> str:
    """The second name of the module whose globals the function uses; empty if it has none."""
    for name, module in _others(getattr(fn, "__module__", None)):
        if getattr(module, "__dict__", None) is fn.__globals__:
            return name
    return ""


def _others(called: Any) -> list[tuple[str, types.ModuleType]]:
    begin = "%s%s" % (called, MARK)
    return [(name, module) for name, module in _loaded() if name.startswith(begin)]


def _loaded() -> list[tuple[str, types.ModuleType]]:
    state = len(sys.modules), next(reversed(sys.modules))
    if _looked_at[:1] != [state]:
        found = [(name, module) for name, module in list(sys.modules.items()) if MARK in name]
        _looked_at[:] = [state, found]
    second_names: list[tuple[str, types.ModuleType]] = _looked_at[1]
    return second_names


#: How `sys.modules` was, and the second names in it: it is not looked through for every object.
_looked_at: list[Any] = []


class Imported:
    """Stands for a module, in a pickle."""

    def __init__(self, module: str) -> None:
        self._module = module

    def __reduce__(self) -> Any:
        import importlib  # here: few peers need it

        return importlib.import_module, (self._module,)
