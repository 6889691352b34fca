"""Which modules of this process a peer may not find by itself, and where they are."""

from __future__ import annotations

import marshal
import os
import site
import sys
import sysconfig
import threading
from collections.abc import Iterator
from importlib.machinery import PathFinder
from types import ModuleType
from typing import Any

from .protocol.module_aliases import own_name

#: In the globals of a module whose asserts pytest has rewritten.
REWRITTEN = "@pytest_ar"
#: Its modules are in every peer that can have them.
_OURS = __name__.partition(".")[0]

#: What tells a file from another of the same name on another machine.
Place = tuple[int, int]
#: As `sys.path`.
Path = tuple[str, ...]
#: What a peer's finder wants to know of a module; has to be marshalled.
Entry = dict[str, Any]


def place_of(path: str) -> Place | None:
    """What tells a file from another of the same name on another machine; ``None`` if there is none."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_dev, found.st_ino


def of_environment(path: str) -> bool:
    """Whether that is a part of an interpreter's standard library or of what is installed for it."""
    return os.path.join(os.path.abspath(path), "").startswith(_environment())


def _environment() -> tuple[str, ...]:
    if not _directories:
        found = {
            sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")
        }
        found |= {*site.getsitepackages(), site.getusersitepackages()}
        found |= {os.path.dirname(os.__file__)}
        found |= {os.path.realpath(path) for path in found}
        # The standard library in an archive has the directory's name, without the dot.
        version = f"python{sys.version_info[0]}{sys.version_info[1]}.zip"
        found |= {os.path.join(os.path.dirname(path), version) for path in found}
        _directories.extend(sorted(os.path.join(path, "") for path in found))
    return tuple(_directories)


_directories: list[str] = []


#: The table of all that has none, so that nobody is told of it.
_NOTHING: dict[str, Entry] = {}


class OwnModules:
    """The modules that are neither an interpreter's nor installed in an environment, as they are now.

    :param path: for peers in this very environment with that ``sys.path``: only those that they would not find, or would find
        otherwise.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        # Reentrant: a signal's handler, or a finalizer, that comes in the middle of a look may say something to a peer.
        self._lock = threading.RLock()
        self._seen: dict[str, tuple[int, str | None]] = {}
        self._loaded: tuple[int, tuple[str, object]] = (0, ("", None))
        #: Names that have been in the table once: there may be a peer that has been told of another module.
        self._ever: set[str] = set()
        #: By name. Never changed, but replaced.
        self.table: dict[str, Entry] = _NOTHING

    def refresh(self) -> dict[str, Entry]:
        """The table as it is now; the same one if nothing is new."""
        loaded = len(sys.modules), next(reversed(sys.modules.items()))
        if loaded != self._loaded:
            with self._lock:
                self._look()
        return self.table

    def _look(self) -> None:
        modules = dict(sys.modules)
        loaded = len(modules), next(reversed(modules.items()))
        news: dict[str, Entry] = {}
        looked_at: dict[str, tuple[int, str | None]] = {}
        for name, module in modules.items():
            if not isinstance(module, ModuleType) or name == "__main__":
                continue
            file = module.__dict__.get("__file__")
            seen = id(module), file
            if self._seen.get(name) == seen:
                continue
            looked_at[name] = seen
            if entry := self._entry(name, module, file):
                news[name] = entry
                news.update(self._parents(name, modules))
        gone = self.table.keys() - modules.keys()
        # Nothing of this before all is known, and the table first: an interrupt leaves it to be done again.
        self._ever |= news.keys()
        if news or gone:
            self.table = {k: v for k, v in self.table.items() if k not in gone} | news
        self._seen.update(looked_at)
        for name in gone:
            self._seen.pop(name, None)
        self._loaded = loaded

    def _entry(self, name: str, module: ModuleType, file: str | None) -> Entry | None:
        if name.partition(".")[0] == _OURS:
            return None
        search = _search(module)
        places = search if file is None else [file]
        if not places or all(of_environment(path) for path in places):
            return None
        rewritten = REWRITTEN in module.__dict__
        if not rewritten and name not in self._ever and self._ordinary(name, file, search):
            return None
        same = self._path is not None
        entry = described(file, search, rewritten, first=same or rewritten, same=same)
        return entry | {"called": own_name(name)}

    def _parents(self, name: str, modules: dict[str, ModuleType]) -> Iterator[tuple[str, Entry]]:
        """Packages around it that are made up, as pytest does for modules that are outside of any."""
        while name := name.rpartition(".")[0]:
            module = modules.get(name)
            if module is not None and module.__dict__.get("__file__") is None:
                search = _search(module)
                if not search or not self._ordinary(name, None, search):
                    # Behind what is installed: a package may have tests that are not.
                    same = self._path is not None
                    yield name, described(None, search or [], False, first=False, same=same)

    def _ordinary(self, name: str, file: str | None, search: list[str] | None) -> bool:
        """Whether an import by the path gives the same module in the peer."""
        if self._path is None:
            return False
        parent, _, _ = name.rpartition(".")
        path: list[str] | None = list(self._path)
        if parent:
            path = _search(sys.modules[parent]) if parent in sys.modules else []
        try:
            spec = PathFinder.find_spec(name, path)
        except Exception:
            return False
        if spec is None:
            return False
        if file is None:
            return spec.origin is None and list(spec.submodule_search_locations or ()) == search
        return spec.origin == file


def described(
    file: str | None,
    search: list[str] | None,
    rewritten: bool,
    *,
    first: bool = False,
    same: bool = False,
) -> Entry:
    """What a peer's finder needs to know of a module.

    :param search: the path of a package, ``None`` for a module.
    :param rewritten: whether pytest has rewritten its asserts.
    :param first: whether it is this one, whatever the peer finds by itself.
    :param same: whether the peer is in this very environment.
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


def _search(module: ModuleType) -> list[str] | None:
    path = module.__dict__.get("__path__")
    try:
        return None if path is None else [os.fspath(each) for each in path]
    except Exception:  # of a finder with a path of its own kind
        return []


_for_others = OwnModules(None)
#: By what `sys.path` was when the peers were started. Most suites have one.
_by_path: dict[Path, OwnModules] = {}
_PATHS = 8


def _for_same(path: Path) -> OwnModules:
    found = _by_path.get(path) or OwnModules(path)
    _by_path[path] = found
    for other in list(_by_path)[:-_PATHS]:
        _by_path.pop(other, None)  # peers that live keep theirs
    return found


class ModuleUpdates:
    """What one peer has not been told yet.

    :param path: its ``sys.path``, if it is in this very environment.
    """

    def __init__(self, path: Path | None) -> None:
        self._modules = _for_others if path is None else _for_same(path)
        self._told: dict[str, Entry] = _NOTHING
        self._taken = self._told

    def any(self) -> bool:
        """Whether there may be some. Asked before everything that is said."""
        return self._modules.refresh() is not self._told

    def take(self) -> bytes:
        """The news, in the form in which they are sent; empty if there are none."""
        table = self._taken = self._modules.refresh()
        news = {name: entry for name, entry in table.items() if self._told.get(name) != entry}
        return marshal.dumps(news, 2) if news else b""

    def told(self) -> None:
        """What was taken has been sent, so whatever is said from now on comes after it."""
        self._told = self._taken


def _forked() -> None:
    for each in (_for_others, *_by_path.values()):
        each._lock = threading.RLock()


os.register_at_fork(after_in_child=_forked)
