"""The code that is sent to a peer, or to a fork server, which is a peer-to-be."""

from __future__ import annotations

import functools
import marshal
from importlib.machinery import PathFinder
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from .. import _HOMES

#: The module of execnet that runs in the peer, under its own name; the package around it would be imported for nothing.
BASE_MODULE = "execnet.gateway_base"
_AGENT = "pytest_peer_agent"
_HERE = Path(__file__).parent
_SHARED = (
    "wire",
    "stream",
    "socket_stream",
    "frames",
    "segments",
    "intake",
    "outbox",
    "mailbox",
    "shadowed",
    "code_by_value",
    "codec",
    "variables",
    "sights",
    "describing",
)
_AGENT_FOLDER = _HERE.parent / "agent"
#: What most peers never use is run when it is used; none of these has a state.
_LATER = frozenset({"code_by_value", "describing", "resources", "sights", "variables"})
#: In the order in which they are loaded.
_PEER_MODULES = (
    "__init__",
    *_SHARED,
    "here",
    "reading",
    "warned",
    "asking",
    "asserting",
    "resources",
    "modules",
    "dispatch",
    "evidence",
    "main",
)
#: Loads them.
_LOADING = "loading"
#: Loaded where this package or pytest may be missing.
_STANDINS = "standins"
_TEMPLATE_MODULES = (*_PEER_MODULES, _STANDINS, "afresh", "guardian", "rehearsal", "template")
_OURS = "pytest_peer"
#: What a peer is told that imports these; of the others that have public names only the names are there.
_SERVED = {
    "pytest": "agent/served/pytest.py",
    _OURS: "__init__.py",
    f"{_OURS}.errors": "errors.py",
    f"{_OURS}.eventually": "eventually.py",
    f"{_OURS}.here": "here.py",
    f"{_OURS}.link": "link/__init__.py",
    f"{_OURS}.link.mailbox": "agent/served/mailbox.py",
    f"{_OURS}.starter": "agent/served/starter.py",
    f"{_OURS}.states": "states.py",
    f"{_OURS}.time_limits": "time_limits.py",
    f"{_OURS}.unpatched": "unpatched.py",
    f"{_AGENT}.served": "agent/served/__init__.py",
    f"{_AGENT}.served.home": "agent/served/home.py",
    f"{_AGENT}.served.placeholder": "agent/served/placeholder.py",
}


@functools.cache
def loader() -> bytes:
    """What an interpreter reads first: it says hello, and takes the rest."""
    source = (_AGENT_FOLDER / "boot.py").read_bytes()
    return b"%d\n" % len(source) + source


def peer(compiled: bool, config: dict[str, Any]) -> bytes:
    """The rest, for a peer.

    :param compiled: whether it can read our compiled code.
    """
    modules = (*_PEER_MODULES, _STANDINS) if config["standins"] else _PEER_MODULES
    return _code(compiled, "main:run", modules, _LATER) + _framed(config)


def template(config: dict[str, Any]) -> bytes:
    """The rest, for a fork server, which is an interpreter like this one."""
    return _code(True, "template:serve", _TEMPLATE_MODULES, frozenset()) + _framed(config)


@functools.cache
def own_files() -> list[str]:
    """The files of this code: frames in them are not the user's."""
    served = sorted({file for file in _SERVED.values() if file.startswith("agent/")})
    return [
        _base_loader().path,
        *(_file(name) for name in (_LOADING, *_TEMPLATE_MODULES)),
        *(str(_HERE.parent / file) for file in served),
    ]


@functools.cache
def standins() -> dict[str, tuple[str, bool, str]]:
    """What a peer may import that has neither this package nor pytest: file, whether it is a package, source."""
    files = {f"{_OURS}.{home}": "agent/served/home.py" for home in _HOMES.values()} | _SERVED
    return {name: _served(file) for name, file in files.items()}


def _framed(data: Any, version: int = 2) -> bytes:
    marshalled = marshal.dumps(data, version)
    return b"%d\n" % len(marshalled) + marshalled


@functools.cache
def _code(compiled: bool, entry: str, modules: tuple[str, ...], later: frozenset[str]) -> bytes:
    """Marshalled in one piece: every copy of it that the peer makes shows in its boot."""
    every = [_module(name, compiled, name in later) for name in (BASE_MODULE, *modules)]
    version = marshal.version if compiled else 2
    *_, loading, _ = _module(_LOADING, compiled, False)
    return _framed(loading, version) + _framed((every, entry), version)


def _module(
    name: str, compiled: bool, later: bool
) -> tuple[str, str, bool, CodeType | bytes | str, bool]:
    """What the peer loads of a module: its full name, file, whether it is a package, code, and whether that is run when it is used."""
    is_package = name == "__init__"
    if name == BASE_MODULE:
        full_name, loader = name, _base_loader()
    else:
        full_name = _AGENT if is_package else f"{_AGENT}.{name}"
        loader = SourceFileLoader(full_name, _file(name))
    # By its loader, which has most code compiled in a cache.
    code = loader.get_code(full_name) if compiled else loader.get_source(full_name)
    assert code is not None
    packed = marshal.dumps(code) if later and isinstance(code, CodeType) else code
    return full_name, loader.path, is_package, packed, later


def _file(name: str) -> str:
    return str((_HERE if name in _SHARED else _AGENT_FOLDER) / f"{name}.py")


@functools.cache
def _served(file: str) -> tuple[str, bool, str]:
    path = _HERE.parent / file
    return str(path), path.name == "__init__.py", path.read_text(encoding="utf-8")


def _base_loader() -> SourceFileLoader:
    """Found without importing the module, which would cost a suite that needs no peer in the end."""
    package, _, _ = BASE_MODULE.partition(".")
    around = PathFinder.find_spec(package)
    assert around is not None
    spec = PathFinder.find_spec(BASE_MODULE, around.submodule_search_locations)
    assert spec is not None and isinstance(spec.loader, SourceFileLoader)
    return spec.loader
