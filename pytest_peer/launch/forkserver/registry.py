"""Decide how a peer comes into being, and which fork server is its parent."""

from __future__ import annotations

import atexit
import dataclasses
import errno
import functools
import importlib
import os
import sys
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ...core.clock import monotonic
from ...core.options import BOOT_SECONDS, PeerOptions
from ...core.start_methods import FORKSERVER, SPAWN, unsupported
from ...link.interpreter import Interpreter, parse_hello
from .. import bootstrap
from ..command import LIFELINE_NUMBER, Command, environment
from . import preload
from .client import ForkedChild, ForkServer
from .inheritance import Inheritance, variable_changes

__tracebackhide__ = True

#: Of descriptors, memory and processes there may be more another time.
_PASSING = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
_lock = threading.Lock()
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
    """Decide how a peer with these options comes into being now.

    :raises ValueError: the option ``start_method`` asks for what is not possible.
    """
    if options.start_method == SPAWN:
        return _program("start_method asks for it")
    asked = options.start_method == FORKSERVER
    reason = unavailable() or options.not_forkable
    if not reason:
        server, now = running(), Inheritance.now()
        reason = now.obstacle(server.inheritance)
        if not reason:
            why = "start_method asks for it" if asked else "the default, and nothing is against it"
            return Choice(FORKSERVER, why, server, now)
    if asked:
        raise ValueError(f"start_method: the fork server cannot serve: {reason}")
    return _program(reason)


def _program(reason: str) -> Choice:
    """Choose a program. Its parent is a server if possible, which finds what the program leaves."""
    if unavailable():
        return Choice(SPAWN, reason)
    now, server = Inheritance.now(), _any_server()
    if server.unusable or now.obstacle(server.inheritance, executed=True):
        return Choice(SPAWN, reason)
    return Choice(SPAWN, reason, server, now)


def fork(
    choice: Choice,
    options: PeerOptions,
    descriptors: Sequence[int],
    evidence: dict[str, Any] | None,
) -> tuple[ForkedChild, Interpreter]:
    """Make a peer of the server's own interpreter.

    :param descriptors: stdin, stdout, stderr, and the link's for reading and writing, as the
        peer has them.
    :param evidence: for the agent's module `evidence`.
    :raises ForkError: it was not possible, or not within the peer's time to boot.
    """
    server, now, deadline = _ready(choice, options)
    interpreter = parse_hello(server.hello)
    environ = environment(options, now.environ)
    request = _request(server, now, options, options.cwd) | {
        "variables": variable_changes(server.inheritance.environ, environ),
        "config": bootstrap.agent_config(interpreter, options.name, evidence),
    }
    child = server.fork(request, descriptors, deadline)
    return child, dataclasses.replace(interpreter, pid=child.pid)


def execute(
    choice: Choice,
    options: PeerOptions,
    line: Command,
    standard: Sequence[int],
    inherited: Mapping[int, int],
) -> ForkedChild:
    """Make a peer that is a program. It gets its lifeline as `LIFELINE_NUMBER`.

    :param standard: its stdin, stdout and stderr.
    :param inherited: its further descriptors, by the number that it has them as.
    :raises ForkError: as for `fork`.
    """
    server, now, deadline = _ready(choice, options)
    request = _request(server, now, options, line.cwd) | {
        "variables": {},
        "argv": line.argv,
        "environ": line.env,
        "numbers": [*inherited, LIFELINE_NUMBER],
    }
    return server.fork(request, [*standard, *inherited.values()], deadline)


def _ready(choice: Choice, options: PeerOptions) -> tuple[ForkServer, Inheritance, float]:
    """Wait for the server; return it, the inheritance, and the end of the peer's time to boot."""
    server, now = choice.server, choice.inheritance
    assert server is not None and now is not None
    limit = BOOT_SECONDS if options.boot_limit is None else options.boot_limit
    deadline = monotonic() + limit
    server.wait_ready(limit)
    return server, now, deadline


def _request(
    server: ForkServer, now: Inheritance, options: PeerOptions, cwd: str | None
) -> dict[str, Any]:
    # Also if it has the same path as the template's: it may be another directory by now.
    cwd = os.path.join(now.settable["cwd"], cwd or "")
    return {
        "node": f"{options.name}@{options.host}",
        "changes": now.changes(server.inheritance) | {"cwd": cwd},
    }


@functools.cache
def unavailable() -> str:
    """Say why there are no fork servers on this system; empty if there are."""
    if reason := unsupported(sys.platform, sys.implementation.name):
        return reason
    try:
        if os.readlink("/proc/self") != str(os.getpid()):
            return "/proc is that of another namespace of process ids"
        os.close(os.pidfd_open(os.getpid()))  # from Linux 5.3 on
        importlib.import_module("ctypes")
        Inheritance.now()
    except (AttributeError, ImportError, OSError, KeyError) as exc:
        if getattr(exc, "errno", None) in _PASSING:
            raise
        return f"this system lacks what a fork server needs: {exc!r}"
    return ""


def running() -> ForkServer:
    """Return the server with the present preload; start it, without waiting, if it is missing."""
    with _lock:
        return _living(tuple(preload.modules))


def _any_server() -> ForkServer:
    """Return any that lives, or one without preload, of which a program has no use."""
    with _lock:
        for server in _servers.values():
            if not server.dead:
                return server
        failed = _servers.get(())
        return failed if failed is not None and failed.unusable else _living(())


def _living(modules: tuple[str, ...]) -> ForkServer:
    server = _servers.get(modules)
    if server is None or server.dead:
        server = _servers[modules] = ForkServer(modules)
    return server


def _close_all() -> None:
    for server in _servers.values():
        if not server.dead:
            server.close()


def _forked() -> None:
    global _lock
    _lock = threading.Lock()
    for server in _servers.values():
        server.disown()
    _servers.clear()


# Registered before the supervisor's, so it is called after that has stopped the peers.
atexit.register(_close_all)
os.register_at_fork(after_in_child=_forked)
