"""Decide how a peer comes into being, and which fork server is its parent."""

import atexit
import errno
import functools
import importlib
import os
import sys
from dataclasses import dataclass

from ...core.locks import Lock
from ...core.options import PeerOptions
from ...core.start_methods import FORKSERVER, SPAWN, unsupported
from . import preload
from .client import ForkServer
from .inheritance import Inheritance

#: Of descriptors, memory and processes there may be more another time.
_PASSING = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
_lock = Lock()
_servers: dict[tuple[str, ...], ForkServer] = {}


@dataclass(frozen=True, slots=True)
class Choice:
    """A start method and the reason for it."""

    start_method: str
    reason: str
    #: The parent; ``None`` if the origin itself is, which is possible for a program only.
    server: ForkServer | None = None
    #: What the new process shall have from this one.
    inheritance: Inheritance | None = None


def choose(options: PeerOptions) -> Choice:
    """Decide how a peer is to start now; raise ValueError if ``start_method`` forbids that."""
    if options.start_method == SPAWN:
        return _program("start_method asks for it")
    asked = options.start_method == FORKSERVER
    reason = unavailable() or options.not_forkable
    if not reason:
        server, now = running(), Inheritance.now()
        reason = now.obstacle(server.inheritance)
        if server.unusable and not (asked or server.bad_preload):
            reason = server.dead
        if not reason:
            why = "start_method asks for it" if asked else "the default, and nothing is against it"
            return Choice(FORKSERVER, why, server, now)
    if asked:
        raise ValueError(f"start_method: the fork server cannot serve: {reason}")
    return _program(reason)


def _program(reason: str) -> Choice:
    """Choose a program. Its parent is a server if possible, which finds what the program leaves."""
    if not unavailable():
        now = Inheritance.now()
        server = next((each for each in list(_servers.values()) if not each.dead), None)
        if server is None and not failure():
            server = running(())  # of preloaded modules a program has no use
        if server and not server.unusable and not now.obstacle(server.inheritance, executed=True):
            return Choice(SPAWN, reason, server, now)
    return Choice(SPAWN, reason)


@functools.cache
def unavailable() -> str:
    """Say why there are no fork servers on this system; empty if there are."""
    if reason := unsupported(sys.platform, sys.implementation.name):
        return reason
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return "/proc is that of another namespace of process ids"
        os.close(os.pidfd_open(os.getpid()))  # from Linux 5.3 on
        os.close(os.memfd_create("pytest-peer-probe"))  # not in every build, and may be forbidden
        importlib.import_module("ctypes")
        Inheritance.now()
    except (AttributeError, ImportError, OSError, KeyError) as exc:
        if getattr(exc, "errno", None) in _PASSING:
            raise
        return f"this system lacks what a fork server needs: {exc!r}"
    return ""


def running(modules: tuple[str, ...] | None = None) -> ForkServer:
    """Return the server with `modules`, or the present preload; begin to start it if there is none."""
    modules = tuple(preload.modules) if modules is None else modules
    with _lock:
        server = _servers.get(modules)
        if server is None or (server.dead and (server.bad_preload or not server.unusable)):
            server = _servers[modules] = ForkServer(modules)
        return server


def failure() -> str:
    """Return why peers are spawned that would be forked otherwise; empty if none are."""
    server = _servers.get(tuple(preload.modules))
    return server.dead if server is not None and server.unusable and not server.bad_preload else ""


def _close_all() -> None:
    for server in _servers.values():
        if not server.dead:
            server.close()
            server.bury()  # with -v, Python 3.14 and 3.15 crash on files that are left open


def _forked() -> None:
    global _lock
    _lock = Lock()
    for server in _servers.values():
        server.disown()
    _servers.clear()


# Registered before the supervisor's, so it is called after that has stopped the peers.
atexit.register(_close_all)
os.register_at_fork(after_in_child=_forked)
