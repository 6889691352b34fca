"""Conftests of directories that are no packages: pytest imports each as ``conftest``, and takes the one before out of ``sys.modules``.

Those get another name there, by which peers find them; see `link.shadowed`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from collections.abc import Iterable
from types import ModuleType
from typing import TypeGuard


def registered(plugin: object, plugins: Callable[[], Iterable[object]]) -> None:
    """A plugin is there; `plugins` gives all."""
    if not _is_one(plugin):
        return
    loaded = {id(module) for module in list(sys.modules.values())}
    for other in plugins():
        if _is_one(other) and id(other) not in loaded:
            number = 1
            while (name := f"{other.__name__}@{number}") in sys.modules:
                number += 1
            sys.modules[name] = other


def _is_one(plugin: object) -> TypeGuard[ModuleType]:
    file = getattr(plugin, "__file__", None) if isinstance(plugin, ModuleType) else None
    return file is not None and os.path.basename(file) == "conftest.py"
