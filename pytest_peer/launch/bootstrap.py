"""The code that is sent to a peer or to a fork server, and the agent's configuration."""

from __future__ import annotations

import functools
import marshal
import os
import sys
import sysconfig
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from .. import _HOMES
from ..link import tracebacks
from ..link.interpreter import Interpreter
from ..link.origin_modules import Place
from ..link.origin_modules import of_environment
from ..link.origin_modules import place_of

_AGENT = "pytest_peer_agent"
_ROOT = Path(__file__).parent.parent
_SHARED = tuple(
    f"link.protocol.{name}"
    for name in (
        "messages",
        "streams",
        "framing",
        "receiver",
        "sender",
        "mailbox",
        "module_aliases",
        "by_value",
        "codec",
        "frame_info",
        "exceptions",
    )
)
#: A peer runs these modules on first use, because most peers never need them. They have no state.
_LATER = frozenset(
    {
        "link.protocol.by_value",
        "link.protocol.exceptions",
        "agent.resources",
        "link.protocol.frame_info",
    }
)
#: In the order in which they are loaded.
_PEER_MODULES = (
    *_SHARED,
    "agent.runtime",
    "agent.reader",
    "agent.call_warnings",
    "agent.requests",
    "agent.assertions",
    "agent.resources",
    "agent.imports",
    "agent.dispatch",
    "agent.fault_dumps",
    "agent.main",
)
#: The module that loads them.
_LOADER = "agent.loader"
#: Loaded in peers that may have neither this package nor pytest.
_STUBS = "agent.stubs.finder"
_SERVER_MODULES = (
    *_PEER_MODULES,
    _STUBS,
    "launch.procfs",
    "agent.forkserver.child_setup",
    "agent.forkserver.subreaper",
    "agent.forkserver.prewarm",
    "agent.forkserver.server",
)
_OURS = "pytest_peer"
#: The files that such a peer gets for these imports. Other public names exist and do nothing.
_SERVED = {
    "pytest": "agent/stubs/pytest.py",
    _OURS: "__init__.py",
    f"{_OURS}.core": "core/__init__.py",
    f"{_OURS}.core.errors": "core/errors.py",
    f"{_OURS}.core.eventually": "core/eventually.py",
    f"{_OURS}.here": "here.py",
    f"{_OURS}.link": "link/__init__.py",
    f"{_OURS}.link.protocol": "link/protocol/__init__.py",
    f"{_OURS}.peers": "peers/__init__.py",
    f"{_OURS}.core.states": "core/states.py",
    f"{_OURS}.core.timeouts": "core/timeouts.py",
    f"{_OURS}.core.clock": "core/clock.py",
    f"{_AGENT}.agent.stubs": "agent/stubs/__init__.py",
    f"{_AGENT}.agent.stubs.package": "agent/stubs/package.py",
    f"{_AGENT}.agent.stubs.placeholder": "agent/stubs/placeholder.py",
}


@functools.cache
def loader() -> bytes:
    """Return what an interpreter reads first. It sends its first line and reads the rest."""
    source = (_ROOT / "agent" / "boot.py").read_bytes()
    return b"%d\n" % len(source) + source


def peer(compiled: bool, config: dict[str, Any]) -> bytes:
    """Return the rest, for a peer.

    :param compiled: whether it can read our compiled code.
    """
    modules = (*_PEER_MODULES, _STUBS) if config["stubs"] else _PEER_MODULES
    return _code(compiled, "agent.main:run", modules, _LATER) + _framed(config)


def template(config: dict[str, Any]) -> bytes:
    """Return the rest, for a fork server, which is an interpreter like this one."""
    return _code(True, "agent.forkserver.server:serve", _SERVER_MODULES, frozenset()) + _framed(
        config
    )


@functools.cache
def own_files() -> list[str]:
    """Return the files of this code. Frames in them are not the user's."""
    served = sorted({file for file in _SERVED.values() if file.startswith("agent/")})
    return [
        *(_file(name) for name in (_LOADER, *_SERVER_MODULES)),
        *(str(_ROOT / file) for file in served),
    ]


@functools.cache
def stubs() -> dict[str, tuple[str, bool, str]]:
    """Return what a peer without this package and pytest imports instead.

    For each module: its file, whether it is a package, its source.
    """
    files = {f"{_OURS}.{home}": "agent/stubs/package.py" for home in _HOMES.values()} | _SERVED
    return {name: _served(file) for name, file in files.items()}


def agent_config(
    interpreter: Interpreter, name: str, evidence: dict[str, Any] | None, lifeline: int = -1
) -> dict[str, Any]:
    """Return the configuration of the agent in an interpreter.

    :param name: the peer's.
    :param evidence: for the agent's module `fault_dumps`.
    :param lifeline: an inherited descriptor that the peer must not pass on; -1 for none.
    """
    same = interpreter.same
    return {
        "name": name,
        "by_value": interpreter.by_value,
        "locals": tracebacks.shown_locals,
        "path": list(interpreter.path) if same else _portable_path(),
        "replace_path": same,
        "environment": None if same else _environment(),
        "stubs": None if same else stubs(),
        "own_files": own_files(),
        "lifeline": lifeline,
        "evidence": evidence,
    }


def _environment() -> tuple[str, Place | None]:
    """Return the directory in which this interpreter's packages are installed."""
    directory = sysconfig.get_path("purelib")
    return directory, place_of(directory)


def _portable_path() -> list[tuple[str, Place | None]]:
    """Return ``sys.path`` without the standard library and site-packages.

    Those entries mean nothing to another interpreter.
    """
    entries = [os.path.abspath(entry) for entry in sys.path]
    return [(entry, place_of(entry)) for entry in entries if not of_environment(entry)]


def _framed(data: Any, version: int = 2) -> bytes:
    marshalled = marshal.dumps(data, version)
    return b"%d\n" % len(marshalled) + marshalled


@functools.cache
def _code(compiled: bool, entry: str, modules: tuple[str, ...], later: frozenset[str]) -> bytes:
    """Marshal all modules in one piece: each copy that the peer makes slows down its boot."""
    every = [_module(name, compiled, name in later) for name in modules]
    version = marshal.version if compiled else 2
    _, _, loading, _ = _module(_LOADER, compiled, False)
    return _framed(loading, version) + _framed((every, entry), version)


def _module(
    name: str, compiled: bool, later: bool
) -> tuple[str, str, CodeType | bytes | str, bool]:
    """Return full name, file and code of a module, and whether to run it on first use."""
    full_name = f"{_AGENT}.{name}"
    loader = SourceFileLoader(full_name, _file(name))
    # The loader has most code compiled in a cache.
    code = loader.get_code(full_name) if compiled else loader.get_source(full_name)
    assert code is not None
    packed = marshal.dumps(code) if later and isinstance(code, CodeType) else code
    return full_name, loader.path, packed, later


def _file(name: str) -> str:
    return str(_ROOT / f"{name.replace('.', '/')}.py")


@functools.cache
def _served(file: str) -> tuple[str, bool, str]:
    path = _ROOT / file
    return str(path), path.name == "__init__.py", path.read_text(encoding="utf-8")
