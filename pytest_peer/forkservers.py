"""Whether a peer is forked, and by which server; one server for every set of preloaded modules."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import importlib
import os
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from . import preload
from .launch.command import boot_words
from .launch.command import environment
from .launch.forked import Forked
from .launch.forkserver import ForkServer
from .launch.inheritance import Inheritance
from .launch.inheritance import variable_changes
from .link import parcel
from .link.interpreter import Interpreter
from .link.interpreter import agent_config
from .link.interpreter import said_hello
from .options import BOOT_SECONDS
from .options import PeerOptions
from .start_methods import FORKSERVER
from .start_methods import SPAWN
from .start_methods import unsupported

_lock = threading.Lock()
_servers: dict[tuple[str, ...], ForkServer] = {}


@dataclass(frozen=True, slots=True)
class Choice:
    """A start method and why it is that."""

    #: ``None``: a program is executed.
    server: ForkServer | None
    reason: str
    #: What the new process shall have from this one.
    inheritance: Inheritance | None = None

    @property
    def start_method(self) -> str:
        """``"forkserver"`` or ``"spawn"``."""
        return SPAWN if self.server is None else FORKSERVER


def choose(options: PeerOptions) -> Choice:
    """Decide how a peer with such options comes into being now.

    :raises ValueError: the option ``start_method`` asks for what cannot be.
    """
    if options.start_method == SPAWN:
        return Choice(None, "start_method asks for it")
    asked = options.start_method == FORKSERVER
    reason = unavailable() or options.not_forkable
    if not reason:
        server, now = running(), Inheritance.now()
        reason = now.obstacle(server.inheritance)
        if not reason:
            why = "start_method asks for it" if asked else "the default, and nothing is against it"
            return Choice(server, why, now)
    if asked:
        raise ValueError(f"start_method: the fork server cannot serve: {reason}")
    return Choice(None, reason)


def fork(
    choice: Choice, options: PeerOptions, descriptors: Sequence[int]
) -> tuple[Forked, Interpreter]:
    """Make the peer.

    :param descriptors: stdin, stdout, stderr, and the link's for reading and writing, as the peer has them.
    :raises NotForked: it was not possible, or not within the peer's time to boot.
    """
    server, now = choice.server, choice.inheritance
    assert server is not None and now is not None
    deadline = time.monotonic() + (
        BOOT_SECONDS if options.boot_limit is None else options.boot_limit
    )
    server.wait_ready(deadline - time.monotonic())
    interpreter = said_hello(server.hello)
    earlier = server.inheritance
    environ = environment(options, now.environ)
    changes = now.changes(earlier)
    # Also where it has the same name as the template's: it may be another one by now.
    changes["cwd"] = os.path.join(now.settable["cwd"], options.cwd or "")
    request = {
        "node": f"{options.name}@{options.host}",
        "variables": variable_changes(earlier.environ, environ),
        "changes": changes,
        "config": agent_config(interpreter, options.name),
    }
    child = server.fork(request, descriptors, deadline - time.monotonic())
    return child, dataclasses.replace(interpreter, pid=child.pid)


@functools.cache
def unavailable() -> str:
    """Why there are no fork servers on this system; empty if there are."""
    if reason := unsupported(sys.platform, sys.implementation.name):
        return reason
    try:
        os.close(os.pidfd_open(os.getpid()))  # from Linux 5.3 on
        importlib.import_module("ctypes")
        Inheritance.now()
    except (AttributeError, ImportError, OSError, KeyError) as exc:
        return f"this system lacks what a fork server needs: {exc!r}"
    return ""


def running() -> ForkServer:
    """The server with the present preload; started, not awaited, if there is none that lives."""
    with _lock:
        modules = tuple(preload.modules)
        server = _servers.get(modules)
        if server is None or server.dead:
            settings = {"preload": modules, "path": list(sys.path)}
            server = _servers[modules] = ForkServer(
                lambda fd: [sys.executable, *boot_words(fd, fd)],
                lambda: parcel.loader() + parcel.template(settings),
            )
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


atexit.register(
    _close_all
)  # before `starter`'s, so it is called after that one has stopped the peers
os.register_at_fork(after_in_child=_forked)
