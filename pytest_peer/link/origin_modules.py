"""The modules of this process that a peer may not find by itself, and where they are."""

import functools
import os
import site
import sys
import sysconfig
from collections.abc import Callable
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from ..core.locks import Lock
from .protocol.module_aliases import MARK, place_of

#: A name in the globals of a module whose asserts pytest has rewritten.
REWRITTEN = "@pytest_ar"
#: The package whose modules peers get in other ways.
OURS: str = __name__.partition(".")[0]

#: The description of a module for a peer's finder; can be marshalled.
Entry = dict[str, Any]


def of_environment(path: str) -> bool:
    """Return whether a path is in our standard library or among our installed packages."""
    return os.path.join(os.path.abspath(path), "").startswith(_environment())


@functools.cache
def _environment() -> tuple[str, ...]:
    found = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    found |= {*site.getsitepackages(), site.getusersitepackages(), os.path.dirname(os.__file__)}
    found |= {os.path.realpath(path) for path in found}
    # The standard library in an archive has the directory's name, without the dot.
    version = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
    found |= {os.path.join(os.path.dirname(path), version) for path in found}
    return tuple(sorted(os.path.join(path, "") for path in found))


#: Reentrant: a signal handler or finalizer that interrupts a search may send to a peer.
_searching = Lock()


class OriginModules:
    """The loaded modules that belong neither to the interpreter nor to an installed package.

    :param path: the ``sys.path`` of peers in our environment: then only the modules that these
        would not find, or would find elsewhere. ``None`` for all other peers.
    """

    def __init__(self, path: tuple[str, ...] | None) -> None:
        _environment()  # with descriptors at hand: sysconfig of Python 3.15 does not recover
        self._path = path
        self._seen: dict[str, tuple[int, str | None]] = {}
        self._loaded: tuple[int, tuple[str, object]] = (0, ("", None))
        #: Names that were in the table once: a peer may know another module by the name.
        self._ever: set[str] = set()
        # By name. Replaced, never changed.
        self._table: dict[str, Entry] = {}

    def refresh(self) -> dict[str, Entry]:
        """Return the present table; the same object if nothing is new."""
        loaded = len(sys.modules), next(reversed(sys.modules.items()))
        if loaded != self._loaded:
            with _searching:
                self._search()
        return self._table

    def _search(self) -> None:
        modules = dict(sys.modules)
        loaded = len(modules), next(reversed(modules.items()))
        news: dict[str, Entry] = {}
        searched: dict[str, tuple[int, str | None]] = {}
        for name, module in modules.items():
            if not isinstance(module, ModuleType) or name == "__main__":
                continue
            file = module.__dict__.get("__file__")
            seen = id(module), file
            if self._seen.get(name) == seen:
                continue
            searched[name] = seen
            if entry := self._entry(name, module, file):
                news |= {name: entry, **self._parents(name, modules)}
        gone = self._table.keys() - modules.keys()
        # Only now that all is known, and the table first: an interrupted search is repeated.
        self._ever |= news.keys()
        if news or gone:
            self._table = {k: v for k, v in self._table.items() if k not in gone} | news
        self._seen = {k: v for k, v in (self._seen | searched).items() if k in modules}
        self._loaded = loaded

    def _entry(self, name: str, module: ModuleType, file: str | None) -> Entry | None:
        if name.partition(".")[0] == OURS:
            return None
        search = _package_path(module)
        places = search if file is None else [file]
        if not places or all(of_environment(path) for path in places):
            return None
        rewritten = REWRITTEN in module.__dict__
        if not rewritten and name not in self._ever and self._ordinary(name, file, search):
            return None
        same = self._path is not None
        entry = described(file, search, rewritten, first=same or rewritten, same=same)
        return entry | {"called": name.partition(MARK)[0]}

    def _parents(self, name: str, modules: dict[str, ModuleType]) -> dict[str, Entry]:
        """Describe its parents without a file, as pytest makes for modules outside of packages."""
        found = {}
        while name := name.rpartition(".")[0]:
            module = modules.get(name)
            if module is not None and module.__dict__.get("__file__") is None:
                search = _package_path(module)
                if not search or not self._ordinary(name, None, search):
                    # After installed packages, one of which may have the same name.
                    found[name] = described(None, search or [], False, same=self._path is not None)
        return found

    def _ordinary(self, name: str, file: str | None, search: list[str] | None) -> bool:
        """Return whether an import by the path gives the same module in the peer."""
        if self._path is None:
            return False
        parent = name.rpartition(".")[0]
        try:
            path = _package_path(sys.modules[parent]) if parent else list(self._path)
            spec = PathFinder.find_spec(name, path)
        except Exception:
            return False
        if spec is None or spec.origin != file:
            return False
        return file is not None or list(spec.submodule_search_locations or ()) == search


def described(
    file: str | None, search: list[str] | None, rewritten: bool, *, first: bool = False, same: bool
) -> Entry:
    """Describe a module, or a package with the path `search`, for a peer's finder.

    `first` says that it comes before modules that the peer finds by itself, `rewritten` that pytest
    has rewritten its asserts, `same` that the peer runs in our environment.
    """
    return {
        "file": file,
        "search": search,
        "called": "",
        "rewritten": rewritten,
        "first": first,
        "place": None if same or file is None else place_of(file) or (0, 0),
        "places": None if same or search is None else [place_of(path) or (0, 0) for path in search],
    }


def _package_path(module: ModuleType) -> list[str] | None:
    path = module.__dict__.get("__path__")
    try:
        return None if path is None else [os.fspath(each) for each in path]
    except Exception:  # a finder's own kind of path
        return []


#: By the `sys.path` at the start of the peers. Most suites have one.
origin_modules: Callable[[tuple[str, ...] | None], OriginModules] = functools.lru_cache(8)(
    OriginModules
)
# As `threading` does: another thread may hold it.
os.register_at_fork(after_in_child=_searching._at_fork_reinit)  # type: ignore[attr-defined]
