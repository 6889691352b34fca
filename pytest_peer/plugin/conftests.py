"""Conftests of directories that are not packages: pytest imports each as the module ``conftest``.

It removes the one before from ``sys.modules``. Here that gets another name, by which peers find it;
see `link.protocol.module_aliases`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable
from types import ModuleType
from typing import TypeGuard


def registered(plugin: object, plugins: Callable[[], Iterable[object]]) -> None:
    """Keep the other conftests importable when one has been registered.

    :param plugins: returns all plugins.
    """
    if not _is_conftest(plugin):
        return
    loaded = {id(module) for module in list(sys.modules.values())}
    for other in plugins():
        if _is_conftest(other) and id(other) not in loaded:
            number = 1
            while (name := f"{other.__name__}@{number}") in sys.modules:
                number += 1
            sys.modules[name] = other


def _is_conftest(plugin: object) -> TypeGuard[ModuleType]:
    file = getattr(plugin, "__file__", None) if isinstance(plugin, ModuleType) else None
    return file is not None and os.path.basename(file) == "conftest.py"
