"""Requests of a peer to the origin while it runs a call, and the news that a peer needs before."""

import contextlib
import marshal
import os
import sys
from collections.abc import Callable
from functools import partial
from importlib import machinery
from pathlib import Path
from typing import Any

from ..core.errors import EncodeError
from ..core.locks import Lock
from ..core.worker import Worker
from .debugging import debugger
from .interpreter import OLDEST_ORIGIN, Interpreter
from .origin_modules import OURS, REWRITTEN, Entry, described, of_environment, origin_modules
from .pickling import decode, encode
from .protocol import by_value, codec, messages
from .protocol.messages import Payload
from .protocol.sender import MessageSender
from .soft_assertions import collect

#: What a test module and the agent import, and a peer need not have installed.
_NEEDED = {"pytest", "_pytest", "py", "pluggy", "iniconfig", "packaging", "pygments", "cloudpickle"}
#: The package of the agent, which mirrors ours.
_AGENT = f"{OURS}_agent"
#: Directories of packages that peers have asked for, and what reads their files.
_packages: dict[str, Callable[[str], bytes]] = {}
#: Responds to one request after the other. Not the worker of users' callbacks, which may wait for
#: calls that send requests.
request_worker: Worker = Worker("pytest-peer-requests")


class RequestHandler:
    """Serve one life of a peer whose agent listens."""

    def __init__(self, interpreter: Interpreter) -> None:
        self._interpreter = interpreter
        self._modules = origin_modules(interpreter.path if interpreter.same else None)
        self._sent: dict[str, Entry] = {}
        self._lock = Lock()
        #: Numbers of the requests that have no response yet.
        self.asked: set[int] = set()
        #: What it has by value of modules that it cannot import, by their identities here.
        self._sent_objects: dict[int, Any] = {}

    def send_updates(self, sender: MessageSender) -> None:
        """Send which modules are new here, before anything that may refer to one."""
        try:
            table = self._modules.refresh()
        except OSError as exc:  # the next call searches again
            raise EncodeError(f"cannot look for the modules that the peer needs: {exc}") from exc
        if table is not self._sent:
            with self._lock:
                news = {name: new for name, new in table.items() if self._sent.get(name) != new}
                if news:
                    sender.enqueue(messages.MODULES, 0, marshal.dumps(news, 2))
                self._sent = table

    def accept(self, sender: MessageSender, ident: int, payload: Payload) -> None:
        """Have a request responded to; on the thread that reads the link."""
        self.asked.add(ident)
        request_worker.run(partial(self.respond, sender, ident, payload))

    def respond(self, sender: MessageSender, ident: int, payload: Payload) -> None:
        """Respond to a request, by ``None`` if anything fails here: the peer waits for it."""
        try:
            what, args = decode(payload, "the peer's request")
            # As if code could travel by value: there is none in it.
            respond = self._globals if what == "globals" else _RESPONDERS[what]
            response = encode(respond(self._interpreter, *args), "", "the response")
        except BaseException:  # no such file, a class that is not here, a hook of a conftest
            response = encode(None, "", "no response")
        with contextlib.suppress(OSError):  # the peer is down meanwhile
            sender.enqueue(messages.RESPONSE, ident, response)
        self.asked.discard(ident)

    def _globals(
        self, _: Interpreter, name: str, needed: list[str], known: list[str], arrived: list[int]
    ) -> bytes | str:
        """Return globals of a module that the peer cannot import, or why they cannot be sent."""
        module = sys.modules[name]
        held = vars(module)
        found = {each: held[each] for each in needed if each in held}
        # Of these the code uses the module, by way of its package.
        found |= {each: sys.modules[each] for each in needed if "." in each and each in sys.modules}
        there = {each: self._sent_objects[each] for each in arrived}
        home = by_value.Home(module, name, known, there)
        codec.stand_ins[home.stand_in] = module  # what comes back may refer to it
        try:
            data = codec.dumps_globals(found, home)
        except codec.CannotEncode as exc:
            return f"the globals {exc}"
        self._sent_objects |= home.sent
        return data


def _module(interpreter: Interpreter, name: str, sees: bool) -> Entry | None:
    """Find a module; a peer that `sees` our environment lacks what is in it on purpose."""
    top, found = name.partition(".")[0], _found(name)
    if found is None or top == OURS:  # of ours it has stubs
        return None
    file, search = found.origin if found.has_location else None, found.submodule_search_locations
    if file is None and not search:
        return None  # built in, or made at run time
    withheld = sees or top in sys.stdlib_module_names
    if top in _NEEDED:
        withheld = interpreter.version < OLDEST_ORIGIN
    if withheld and of_environment(file or next(iter(search or ()))):
        return None
    return _source(interpreter, name)


def _source(interpreter: Interpreter, name: str) -> Entry | None:
    """Return the code of a module whose file the peer has not; without source if it is compiled."""
    found = _found(OURS + name.removeprefix(_AGENT) if name.startswith(_AGENT) else name)
    if found is None or not (found.origin or found.submodule_search_locations):
        return None
    search = found.submodule_search_locations
    directories = None if search is None else list(search)
    loader: Any = found.loader
    read = getattr(loader, "get_data", None) or (lambda path: Path(path).read_bytes())
    _packages.update(dict.fromkeys(map(os.path.normpath, directories or ()), read))
    rewritten = REWRITTEN in vars(sys.modules.get(name, object))
    entry = described(found.origin, directories, rewritten, same=False)
    if found.origin is None:
        return entry
    if found.origin.endswith(tuple(machinery.EXTENSION_SUFFIXES)):
        return entry | {"source": None, "code": b""}
    sourceless = isinstance(loader, machinery.SourcelessFileLoader)
    source = None if sourceless else loader.get_data(found.origin)
    code = b""
    if interpreter.compiled and (sourceless or isinstance(loader, machinery.SourceFileLoader)):
        code = marshal.dumps(loader.get_code(found.name))
    return entry | {"source": source, "code": code}


def _found(name: str) -> machinery.ModuleSpec | None:
    """Find a module's spec without importing anything."""
    if (module := sys.modules.get(name)) is not None:
        spec = getattr(module, "__spec__", None)
        return spec if isinstance(spec, machinery.ModuleSpec) else None
    path = None
    if parent := name.rpartition(".")[0]:
        around = _found(parent)
        if around is None or around.submodule_search_locations is None:
            return None
        path = list(around.submodule_search_locations)
    for finder in list(sys.meta_path):
        with contextlib.suppress(Exception):
            if (spec := finder.find_spec(name, path)) is not None:
                return spec
    # `PathFinder` fails for a namespace package in one that is not imported, but not at the top.
    return machinery.PathFinder.find_spec(name.rpartition(".")[2], path) if path else None


def _data(_: Interpreter, path: str) -> bytes | None:
    package = _package_with(path)
    return _packages[package](path) if package else None


def _directory(_: Interpreter, path: str) -> list[str] | None:
    return sorted(os.listdir(path)) if _package_with(path) else None


def _package_with(path: str) -> str:
    """Return the directory of the package that has a file: peers get no other files."""
    path = os.path.join(os.path.normpath(path), "")
    found = [each for each in list(_packages) if path.startswith(os.path.join(each, ""))]
    return max(found, key=len, default="")


def _compare(_: Interpreter, op: str, left: object, right: object) -> str | None:
    """Return pytest's explanation of a comparison that has failed, while it runs a test."""
    util = sys.modules.get("_pytest.assertion.util")
    explain: Callable[..., str | None] | None = getattr(util, "_reprcompare", None)
    return None if explain is None else explain(op, left, right)


_RESPONDERS: dict[str, Callable[..., Any]] = {
    "module": _module,
    "source": _source,
    "data": _data,
    "directory": _directory,
    "compare": _compare,
    "collect": collect,
    "debugger": debugger,
}
