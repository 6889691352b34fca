"""Finds the stubs of this package and of pytest. Their source came with the agent."""

from __future__ import annotations

import os
import sys
from typing import Any

_OURS = "pytest_peer"


def install(sources):
    """Find the stubs from now on.

    :param sources: of each module its file at the origin, whether it is a package, and its text.
    """
    sys.meta_path.insert(0, InstalledFinder(sources[_OURS][0]))
    sys.meta_path.append(StubFinder(sources))


class StubFinder:
    """The last finder: what is installed here comes first."""

    def __init__(self, sources):
        self._sources = sources

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002 - by the import system
        if name not in self._sources:
            return None
        from importlib.machinery import ModuleSpec

        filename, is_package, _ = self._sources[name]
        loader: Any = self
        return ModuleSpec(name, loader, origin=filename, is_package=is_package)

    def create_module(self, spec):  # noqa: ARG002
        return None

    def exec_module(self, module):
        filename, _, source = self._sources[module.__name__]
        exec(compile(source, filename, "exec", dont_inherit=True), module.__dict__)


class InstalledFinder:
    """Finds a `pytest_peer` that is installed here, but not the origin's.

    A directory of the origin's ``sys.path``, or the current one, may contain the origin's, whose
    dependencies are missing here.
    """

    def __init__(self, file_at_origin):
        self._origins = os.path.realpath(os.path.dirname(os.path.dirname(file_at_origin)))

    def find_spec(self, name, path=None, target=None):  # noqa: ARG002
        if name != _OURS:
            return None
        from importlib.machinery import PathFinder

        own = [entry for entry in sys.path if os.path.realpath(entry) != self._origins]
        for finder in sys.meta_path:
            if finder is not self:
                spec = finder.find_spec(name, own if finder is PathFinder else None)
                if spec is not None and spec.origin:  # a mere directory of that name has none
                    return spec
        return None
