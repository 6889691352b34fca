"""Imports the origin's modules: from the same file where the peer sees it, else over the link.

There are two finders. The first in the list finds what no other module may replace: the test
modules. The last finds what no other finder has found: a peer uses the packages of its own
environment before the origin's.
"""

import sys
import types
from _frozen_importlib import ModuleSpec  # the import of `importlib` would cost boot time
from _frozen_importlib_external import _LoaderBasics, decode_source, spec_from_file_location
from typing import Any

from ..link.protocol import codec, module_aliases
from ..link.protocol.unpatched import marshal, os
from . import assertions, breakpoints, failures, resources, soft_assertions

#: In front of the path of a package that came over the link: no file here is a part of it.
_ELSEWHERE = "origin:"
#: What the stubs stand for. A peer may have it installed.
_OURS = "pytest_peer"
#: `multiprocessing` imports it right after its module `process`.
_NEXT_TO_PROCESS = "multiprocessing.reduction"
_LOGGING = "logging"


class Modules:
    """Finds the origin's modules, from its creation on, by `Runtime.ask` and in `stubs`.

    :param same: whether the environment is the origin's, which then knows no other modules.
    :param sees: whether the origin's environment is on this machine. Then a package that is not
        installed in the peer's is missing on purpose.
    :param authkey: the origin's, for `multiprocessing`; ``None`` if that has not imported it.
    :param later: modules of the agent that are imported when they are needed.
    """

    def __init__(self, ask, same, sees, stubs, authkey, later):
        self._ask = ask
        self._same = same
        self._sees = sees
        self._stubs = stubs
        self._authkey = authkey
        self._table = {**stubs, **later}
        self._first(_NEXT_TO_PROCESS)  # which may be imported already
        specs = (self._first, self._last)
        self._finders: Any = [types.SimpleNamespace(find_spec=each) for each in specs]
        sys.meta_path.insert(0, self._finders[0])
        sys.meta_path.append(self._finders[1])
        if sys.modules.get(_LOGGING) is not _followed_logging:
            _relay_logs()

    def update(self, data):
        """Take the modules that the origin has imported; on the thread that reads the link."""
        news = marshal.loads(data)
        self._table.update(news)
        for name, entry in news.items():
            module: Any = sys.modules.get(name)
            # Not by `getattr`: a lazy module may import then, and this thread must not wait.
            known: Any = getattr(module, "__dict__", {}).get("__file__")
            file = entry["file"]
            other = entry["first"] and known and file and known != file
            if other and os.path.realpath(known) != os.path.realpath(file):
                text = "the module %s is %s at the origin, but %s here; it was imported before"
                codec.conflicting_modules[name] = module, text % (name, file, known)

    def _first(self, name, path=None, target=None):  # noqa: ARG002
        process: Any = name == _NEXT_TO_PROCESS and sys.modules.get("multiprocessing.process")
        if process and self._authkey:
            process.current_process().authkey = self._authkey
        if name == "asyncio.unix_events":  # the last module that asyncio imports
            failures.watch()
        if name == "pytest_check.context_manager":  # of pytest-check
            soft_assertions.watch()
        if name == _LOGGING:
            return self._followed(name)
        if name == _OURS and self._stubs:
            return self._installed()
        if name in breakpoints.MODULES:
            return breakpoints.spec_of(name, self._finders)
        entry = self._table.get(name)
        return self._named(name, entry) if entry is not None and entry["first"] else None

    def _installed(self):
        # Not the origin's, without its dependencies, which ``sys.path`` or this directory may have.
        from importlib.machinery import PathFinder

        package = os.path.dirname(self._stubs[_OURS]["file"])
        origins = os.path.realpath(os.path.dirname(package))
        own = [entry for entry in sys.path if os.path.realpath(entry) != origins]
        for finder in list(sys.meta_path):
            path = own if finder is PathFinder else None
            spec = finder.find_spec(_OURS, path) if finder not in self._finders else None
            if spec is not None and spec.origin:  # a mere directory of that name has none
                return spec
        return self._last(_OURS)

    def _followed(self, name):
        for finder in sys.meta_path:
            find = getattr(finder, "find_spec", None)
            spec = find(name, None) if find and finder is not self._finders[0] else None
            if spec is not None:
                spec.loader = _Followed(spec.loader)
                return spec
        return None

    def _last(self, name, path=None, target=None):  # noqa: ARG002
        entry = self._table.get(name)
        if entry is None and not self._same:
            entry = self._ask("module", name, self._sees)
        return self._named(name, entry) if entry is not None else None

    def _named(self, name, entry):
        spec = self._spec(name, entry)
        called = entry["called"]
        if spec is not None and called and called != name:
            spec.name = name
            spec.loader = _Renaming(called, spec.loader)
        return spec

    def _spec(self, name, entry):
        file, place = entry["file"], entry["place"]
        if file is None:
            spec = ModuleSpec(name, None)
            spec.submodule_search_locations = _places(entry)
            return spec
        # Whether this machine has the very file that the origin has read.
        if os.path.isfile(file) if place is None else module_aliases.place_of(file) == place:
            return spec_from_file_location(
                entry["called"] or name,
                file,
                loader=assertions.loader() if entry["rewritten"] else None,
                submodule_search_locations=entry["search"],
            )
        if "source" not in entry:
            entry = self._ask("source", name)
            if entry is None:
                return None
        if entry["source"] is None and not entry["code"]:
            raise ImportError(
                "the module %s is compiled (%s) and cannot come from the origin; "
                "install it in the peer's environment" % (name, file),
                name=name,
            )
        loader: Any = SentLoader(entry, self._ask)
        spec = ModuleSpec(name, loader, origin=file)
        spec.has_location = True
        if entry["search"] is not None:
            spec.submodule_search_locations = _places(entry)
        return spec


#: The module whose records are relayed. A forked peer has it of the fork server.
_followed_logging: Any = None


def _relay_logs():
    global _followed_logging
    from . import logs  # not at the top: a peer need not import `logging`

    logs.install()
    _followed_logging = sys.modules[_LOGGING]


class _Followed:
    """Loads `logging`, and then has its records relayed."""

    def __init__(self, loader):
        self._loader = loader

    def exec_module(self, module):
        module.__loader__ = module.__spec__.loader = self._loader
        self._loader.exec_module(module)
        _relay_logs()

    def __getattr__(self, name):
        return getattr(self._loader, name)


class _Renaming:
    """Loads a module under its second name, because another module has its own."""

    def __init__(self, called, loader):
        self._called = called
        self._loader = loader

    def create_module(self, spec):  # noqa: ARG002
        return types.ModuleType(self._called)

    def __getattr__(self, name):
        return getattr(self._loader, name)


class SentLoader(_LoaderBasics):
    """Loads what the origin has sent, under its file name there: `linecache` shows the source."""

    def __init__(self, entry, ask):
        self._entry = entry
        self._ask = ask

    def get_code(self, name):  # noqa: ARG002
        entry = self._entry
        if entry["code"]:
            return marshal.loads(entry["code"])
        if entry["rewritten"]:
            code = assertions.rewritten(entry["source"], entry["file"])
            if code is not None:
                return code
        return compile(entry["source"], entry["file"], "exec", dont_inherit=True)

    def get_source(self, name):  # noqa: ARG002
        source = self._entry["source"]
        return None if source is None else decode_source(source)

    def get_filename(self, name):  # noqa: ARG002
        return self._entry["file"]

    def get_data(self, path):
        return resources.Resource(path, self._ask).read_bytes()

    def get_resource_reader(self, name):  # noqa: ARG002
        if self._entry["search"] is None:
            return None
        return resources.Resource(self._entry["search"][0], self._ask)


def _places(entry):
    """Return the search path of a package whose files may be on another machine."""
    places = entry["places"] or [None] * len(entry["search"])
    return [
        path if place is None or module_aliases.place_of(path) == place else _ELSEWHERE + path
        for path, place in zip(entry["search"], places)
    ]
