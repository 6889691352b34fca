"""Conftests of directories that are not packages: pytest imports each as the module ``conftest``.

It removes the one before from ``sys.modules``. Here that gets another name, by which peers find it;
see `link.protocol.module_aliases`.
"""

import os
import sys
from types import ModuleType

import pytest


def pytest_plugin_registered(plugin: object, manager: pytest.PytestPluginManager) -> None:
    """Keep the other conftests importable when one has been registered."""
    if not _is_conftest(plugin):
        return
    loaded = {id(module) for module in list(sys.modules.values())}
    for other in manager.get_plugins():
        if isinstance(other, ModuleType) and _is_conftest(other) and id(other) not in loaded:
            number = 1
            while (name := f"{other.__name__}@{number}") in sys.modules:
                number += 1
            sys.modules[name] = other


def _is_conftest(plugin: object) -> bool:
    return os.path.basename(getattr(plugin, "__file__", None) or "") == "conftest.py"
