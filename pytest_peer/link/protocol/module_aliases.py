"""The identity of modules and their files at both ends of the link.

pytest replaces conftests in ``sys.modules`` by others of the same name. Such a module has a second
name there, the same at both ends, by which pickle finds functions and classes that it would look
for in the wrong module.
"""

from __future__ import annotations

import functools
import sys
import types
from operator import attrgetter
from typing import Any, Callable, Tuple

from .unpatched import os

#: Stands between a module's own name and a number, in a second name.
MARK = "@"
#: At the end of the second name of what stands for a module of the origin; see `agent.homes`.
STAND_IN = MARK + "origin"

#: Device and inode, which differ for a file of the same name on another machine.
Place = Tuple[int, int]


def place_of(path: str) -> Place | None:
    """Return the identity of a file, or ``None`` if there is no such file."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def reference(obj: Any) -> Any:
    """Refer to a function or class of such a module; for a pickler's `reducer_override`."""
    if isinstance(obj, (type, types.FunctionType)):
        for name, module in named_like(getattr(obj, "__module__", None)):
            if is_in(module, obj):
                return attrgetter(obj.__qualname__), (imported(name),)
    return NotImplemented


def is_in(module: Any, obj: Any) -> bool:
    """Return whether a module has the function or class by its own name."""
    for part in obj.__qualname__.split("."):
        module = getattr(module, part, None)
    return module is obj


def named_like(name: Any) -> list[tuple[str, types.ModuleType]]:
    """Return the modules, by their second names, whose own name this is."""
    start = "%s%s" % (name, MARK)
    loaded = _second_names(len(sys.modules), next(reversed(sys.modules)))
    return [(name, module) for name, module in loaded if name.startswith(start)]


@functools.lru_cache(maxsize=1)  # asked for every object that is refused
def _second_names(*_state: object) -> list[tuple[str, types.ModuleType]]:
    return [(name, module) for name, module in list(sys.modules.items()) if MARK in name]


class Made:
    """Stands in a pickle for what a function makes of its arguments at the other end."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self._reduced = function, arguments

    def __reduce__(self) -> Any:
        return self._reduced


def imported(module: str, *needed: tuple[str, ...]) -> Made:
    """Return what stands for a module in a pickle.

    :param needed: for the home of code by value, the globals that the code names. The function
        takes no notice of this argument, and the other end can read it.
    """
    import importlib  # not at the top: few peers need it

    return Made(importlib.import_module, module, *needed)
