"""The code that is sent to a peer or to a fork server, and the agent's configuration."""

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
from ..core.options import PeerOptions
from ..link import debugging, log_levels
from ..link.interpreter import Interpreter
from ..link.origin_modules import Entry, described, of_environment
from ..link.protocol import tracebacks
from ..link.protocol.module_aliases import place_of
from ..link.soft_assertions import settings
from . import coverage

_AGENT = "pytest_peer_agent"
_ROOT = Path(__file__).parent.parent
#: In the order in which they are loaded.
_PROTOCOL = (
    "unpatched messages streams framing receiver sender module_aliases reductions by_value "
    "refusals codec frame_info exceptions children mailbox here"
)
_PEER = (
    "runtime breakpoints reader call_warnings failures coverage soft_assertions assertions resources "
    "imports homes coroutines dispatch stacks fault_dumps main"
)
_SIBLINGS = "tracebacks rebuilding awaiting asking sibling_futures siblings"
_PEER_MODULES = (
    *(f"core.{name}" for name in ("locks", "fork_warning", "clock", "sync", "waiting")),
    *(f"link.protocol.{name}" for name in _PROTOCOL.split()),
    *(f"agent.{name}" for name in _PEER.split()),
)
#: Imported only when they are needed, in a spawned peer.
_LATER_MODULES = (
    *(f"core.{name}" for name in ("syscalls", "threads", "patience", "sweep")),
    *(
        f"agent.{name}"
        for name in ("log_records", "log_window", "logs", "waits", "blocked", "rest")
    ),
)
#: The same, but a peer that has not their files asks for them.
_ASKED_MODULES = (*(f"link.protocol.{name}" for name in _SIBLINGS.split()), "agent.exchange")
_LOADER = "agent.loader"
_SERVER_MODULES = (
    *_PEER_MODULES,
    *_LATER_MODULES,
    *_ASKED_MODULES,
    *(f"launch.{name}" for name in ("lifeline", "namespaces", "procfs", "session")),
    *(f"agent.forkserver.{name}" for name in ("child_setup", "reaper", "prewarm", "server")),
)
#: What such a peer gets of this package. Other public names exist and do nothing.
_SERVED = (
    "core core.clock core.errors core.eventually core.explained core.services core.waiting "
    "core.down_reason here link link.protocol peers peers.choreography"
)
#: The module for all that have those names, and what it needs.
_STUBS = ("agent.stubs.package", "agent.stubs", "agent.stubs.placeholder")
_PYTEST = "agent.stubs.pytest"
#: What a peer asks for when it is first needed.
_DEBUGGER = ("agent.stack_places", "agent.debugger", "agent.stop_running")
#: What is sent with the first hold point or failpoint of a peer.
_POINTS = ("agent.point_code", "agent.point_targets", "agent.points")


@functools.cache
def loader() -> bytes:
    """Return what an interpreter reads first. It sends its first line and reads the rest."""
    source = (_ROOT / "agent" / "boot.py").read_bytes()
    return b"%d\n" % len(source) + source


def peer(compiled: bool, config: dict[str, Any]) -> bytes:
    """Return the rest, for a peer. `compiled` says whether it can read our compiled code."""
    later = {f"{_AGENT}.{name}": _late(name, compiled) for name in _LATER_MODULES}
    for name in _ASKED_MODULES:
        later[f"{_AGENT}.{name}"] = described(_file(name), None, False, same=False)
    whole = {**config, "later": later}
    return _code(compiled, "agent.main:run", _PEER_MODULES) + _framed(whole)


def template(config: dict[str, Any]) -> bytes:
    """Return the rest, for a fork server, which is an interpreter like this one."""
    return _code(True, "agent.forkserver.server:serve", _SERVER_MODULES) + _framed(config)


def points(compiled: bool) -> dict[str, Entry]:
    """Describe, as `stubs` does, the modules of the agent that points need; `compiled` as above."""
    return {f"{_AGENT}.{name}": _late(name, compiled) for name in _POINTS}


@functools.cache
def own_files() -> list[str]:
    """Return the files of this code. Frames in them are not the user's."""
    return [
        _file(name) for name in (_LOADER, *_SERVER_MODULES, *_STUBS, _PYTEST, *_DEBUGGER, *_POINTS)
    ]


@functools.cache
def stubs() -> dict[str, Entry]:
    """Describe, as `origin_modules` does, what a peer without pytest and this package imports."""
    modules = {f"pytest_peer.{home}": _STUBS[0] for home in _HOMES.values()}
    modules |= {f"pytest_peer.{name}": name for name in _SERVED.split()}
    modules |= {f"{_AGENT}.{name}": name for name in _STUBS}
    modules |= {"pytest_peer": "", "pytest": _PYTEST}
    return {name: _sent(_file(module)) for name, module in modules.items()}


def agent_config(
    interpreter: Interpreter,
    options: PeerOptions,
    evidence: dict[str, Any],
    lifeline: int,
    parent_reaps: bool,
) -> dict[str, Any]:
    """Return the configuration of the agent.

    :param lifeline: a descriptor that it must not pass on; -1 for none.
    :param parent_reaps: whether the parent of the interpreter gets all its orphans, and no others.
    """
    same = interpreter.same
    packages = "" if same else sysconfig.get_path("purelib")
    # The standard library and site-packages mean nothing to another interpreter.
    entries = () if same else map(os.path.abspath, sys.path)
    process: Any = sys.modules.get("multiprocessing.process")
    portable = [(entry, place_of(entry)) for entry in entries if not of_environment(entry)]
    return {
        "name": options.name,
        # As multiprocessing's own children have it.
        "authkey": process and bytes(process.current_process().authkey),
        "by_value": interpreter.by_value,
        "call_timeout": options.call_timeout,
        "locals": tracebacks.shown_locals,
        "keeps_frames": debugging.keeps_frames,
        "settings": settings() if same else {},
        "levels": log_levels.table(),
        "path": list(interpreter.path) if same else portable,
        "replace_path": same,
        # The origin's own is in its path already, where tests may have changed it.
        "python_path": None if "PYTHONPATH" in options.env else os.environ.get("PYTHONPATH"),
        # Where this interpreter's packages are installed.
        "environment": None if same else (packages, place_of(packages)),
        "stubs": None if same else stubs(),
        "own_files": own_files(),
        "lifeline": lifeline,
        "parent_reaps": parent_reaps,
        "evidence": evidence,
        "coverage": coverage.config(),
    }


def _framed(data: Any, version: int = 2) -> bytes:
    marshalled = marshal.dumps(data, version)
    return b"%d\n" % len(marshalled) + marshalled


@functools.cache
def _code(compiled: bool, entry: str, modules: tuple[str, ...]) -> bytes:
    """Marshal all modules in one piece: each copy that the peer makes slows down its boot."""
    every = [_module(name, compiled) for name in modules]
    version = marshal.version if compiled else 2
    _, _, loading = _module(_LOADER, compiled)
    return _framed(loading, version) + _framed((every, entry), version)


def _module(name: str, compiled: bool) -> tuple[str, str, CodeType | str]:
    full_name = f"{_AGENT}.{name}"
    loader = SourceFileLoader(full_name, _file(name))
    # The loader has most code compiled in a cache.
    code = loader.get_code(full_name) if compiled else loader.get_source(full_name)
    assert code is not None
    return full_name, loader.path, code


@functools.cache
def _late(name: str, compiled: bool) -> Entry:
    _, file, code = _module(name, compiled)
    if isinstance(code, CodeType):
        return _sent(file) | {"source": None, "code": marshal.dumps(code)}
    return _sent(file)


def _file(name: str) -> str:
    path = _ROOT.joinpath(*name.split("."))
    return str(path / "__init__.py" if path.is_dir() else f"{path}.py")


def _sent(file: str) -> Entry:
    path = Path(file)
    search = [str(path.parent)] if path.name == "__init__.py" else None
    # No place: a peer that sees the origin's files takes the stubs all the same.
    sent: Entry = {"place": (0, 0), "places": [(0, 0)], "source": path.read_bytes(), "code": b""}
    return described(file, search, False, same=False) | sent
