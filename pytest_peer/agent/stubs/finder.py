"""Finds this package where a peer has it, before `imports` finds its stubs."""

import os
import sys

_OURS = "pytest_peer"


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
