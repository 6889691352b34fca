"""How a peer comes into being, and which server is its parent and guardian; one server for every set of preloaded modules."""

from __future__ import annotations

import atexit
import dataclasses
import errno
import functools
import importlib
import os
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ...core.clock import monotonic
from ...core.options import BOOT_SECONDS
from ...core.options import PeerOptions
from ...core.start_methods import FORKSERVER
from ...core.start_methods import SPAWN
from ...core.start_methods import unsupported
from ...link.interpreter import Interpreter
from ...link.interpreter import parse_hello
from .. import bootstrap
from ..command import CONTROL_NUMBER
from ..command import LIFELINE_NUMBER
from ..command import LINK_NUMBERS
from ..command import Command
from ..command import boot_words
from ..command import environment
from . import preload
from .child import ForkedChild
from .child import executed
from .client import ForkServer
from .inheritance import Inheritance
from .inheritance import variable_changes

__tracebackhide__ = True

#: By the number of descriptors that a program is given: what the fork server calls that, and as which numbers it has the others than
#: stdin, stdout and stderr.
_EXECUTIONS: dict[int, tuple[str, tuple[int, ...]]] = {
    3: ("execute_unlinked", ()),
    5: ("execute", LINK_NUMBERS),
    6: ("relay", (*LINK_NUMBERS, CONTROL_NUMBER)),
}
#: Of descriptors, memory, processes there may be more another time.
_PASSING = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
_lock = threading.Lock()
_servers: dict[tuple[str, ...], ForkServer] = {}


@dataclass(frozen=True, slots=True)
class Choice:
    """A start method and why it is that."""

    start_method: str
    reason: str
    #: The parent; ``None``: we, which is only possible for a program.
    server: ForkServer | None = None
    #: What the new process shall have from this one.
    inheritance: Inheritance | None = None


def choose(options: PeerOptions) -> Choice:
    """Decide how a peer with such options comes into being now.

    :raises ValueError: the option ``start_method`` asks for what cannot be.
    """
    if options.start_method == SPAWN:
        return _executed("start_method asks for it")
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
    return _executed(reason)


def _executed(reason: str) -> Choice:
    """A program; its parent is a server too, if there can be one, for what it starts to be found when it has ended."""
    if unavailable():
        return Choice(SPAWN, reason)
    now, server = Inheritance.now(), _guardian()
    if server.unfit or now.obstacle(server.inheritance, executed=True):
        return Choice(SPAWN, reason)
    return Choice(SPAWN, reason, server, now)


def fork(
    choice: Choice,
    options: PeerOptions,
    descriptors: Sequence[int],
    evidence: dict[str, Any] | None,
) -> tuple[ForkedChild, Interpreter]:
    """Make the peer.

    :param descriptors: stdin, stdout, stderr, and the link's for reading and writing, as the peer has them.
    :param evidence: for the agent's module `evidence`.
    :raises NotForked: it was not possible, or not within the peer's time to boot.
    """
    server, now, deadline = _ready(choice, options)
    interpreter = parse_hello(server.hello)
    environ = environment(options, now.environ)
    request = _request(server, now, options, options.cwd) | {
        "variables": variable_changes(server.inheritance.environ, environ),
        "config": bootstrap.agent_config(interpreter, options.name, evidence),
    }
    child = server.fork("fork", request, descriptors, deadline - monotonic())
    return child, dataclasses.replace(interpreter, pid=child.pid)


def execute(
    choice: Choice, options: PeerOptions, line: Command, descriptors: Sequence[int]
) -> ForkedChild:
    """Make a peer that is a program; it has its link as `LINK_NUMBERS`, and its lifeline as `LIFELINE_NUMBER`.

    :param descriptors: as for `fork`; without the link's for one that connects, and with that which shall be `CONTROL_NUMBER` behind
        them for the near end of a relay.
    :raises ExecNotFound: there is no such program.
    :raises NotForked: as for `fork`.
    """
    server, now, deadline = _ready(choice, options)
    what, numbers = _EXECUTIONS[len(descriptors)]
    request = _request(server, now, options, line.cwd) | {
        "variables": {},
        "argv": line.argv,
        "environ": line.env,
        "numbers": [*numbers, LIFELINE_NUMBER],
    }
    failed, theirs = os.pipe()
    with os.fdopen(failed, "rb", buffering=0) as failure:
        try:
            left = deadline - monotonic()
            child = server.fork(what, request, [*descriptors, theirs], left)
        finally:
            os.close(theirs)
        try:
            executed(failure, line.argv, deadline)
        except BaseException:
            child.abandon()
            raise
    return child


def _ready(choice: Choice, options: PeerOptions) -> tuple[ForkServer, Inheritance, float]:
    """Server and inheritance of the choice, and the end of the peer's time to boot, when the server is ready."""
    server, now = choice.server, choice.inheritance
    assert server is not None and now is not None
    limit = BOOT_SECONDS if options.boot_limit is None else options.boot_limit
    deadline = monotonic() + limit
    server.wait_ready(limit)
    return server, now, deadline


def _request(
    server: ForkServer, now: Inheritance, options: PeerOptions, cwd: str | None
) -> dict[str, Any]:
    # Also where it has the same name as the template's: it may be another one by now.
    cwd = os.path.join(now.settable["cwd"], cwd or "")
    return {
        "node": f"{options.name}@{options.host}",
        "changes": now.changes(server.inheritance) | {"cwd": cwd},
    }


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
        if getattr(exc, "errno", None) in _PASSING:
            raise
        return f"this system lacks what a fork server needs: {exc!r}"
    return ""


def running() -> ForkServer:
    """The server with the present preload; started, not awaited, if there is none that lives."""
    with _lock:
        return _living(tuple(preload.modules))


def _guardian() -> ForkServer:
    """Any that lives; else one that imports nothing, for what is executed has no use for it."""
    with _lock:
        for server in _servers.values():
            if not server.dead:
                return server
        failed = _servers.get(())
        return failed if failed is not None and failed.unfit else _living(())


def _living(modules: tuple[str, ...]) -> ForkServer:
    server = _servers.get(modules)
    if server is None or server.dead:
        settings = {"preload": modules, "path": list(sys.path)}
        server = _servers[modules] = ForkServer(
            lambda fd: [sys.executable, *boot_words(fd, fd)],
            lambda lifeline: (
                bootstrap.loader() + bootstrap.template({**settings, "lifeline": lifeline})
            ),
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
