"""Start the process of a peer: forked or executed by a fork server, or spawned by the origin."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..core import launchers
from ..core.clock import monotonic
from ..core.errors import BootError, BootTimeout
from ..core.options import BOOT_SECONDS, PeerOptions
from ..core.start_methods import SPAWN
from ..link.interpreter import Interpreter, parse_hello
from . import bootstrap, command, coverage, lifeline
from .connection import Connection
from .forkserver.client import ForkError, ForkServer
from .forkserver.registry import Choice, choose
from .process import Child, SpawnedChild
from .relay.process import ControlSocket, local_end
from .session import HOLDER, PEER, USER_HOLDER


class ProcessStarter:
    """Start one process by `child`; ValueError: ``start_method`` asks for what is not possible."""

    def __init__(
        self,
        options: PeerOptions,
        evidence: dict[str, Any],
        directory: Path,
        place: Mapping[str, Any],
    ) -> None:
        self._options = options
        #: What the process does first of all, for the network that it is in; its title in ``ps``.
        self._place = dict(place)
        self._title = self._place.pop("title", f"{options.name}@{options.host}")
        self._directory = directory
        self._evidence = evidence  # for the agent's module `fault_dumps`
        #: How it is done; another one when a fork server has failed.
        self.choice: Choice = choose(options)
        #: The command line, without what a relay puts in front.
        self.argv: list[str] = []
        #: The container that this command line makes, if it is one of a container engine.
        self.container: command.Container | None = None
        #: Known before its first line, if it is forked.
        self.interpreter: Interpreter | None = None
        self._lifeline = -1  # the number of the descriptor that the peer must not pass on
        #: Given to the local end of a relay, if a launcher carries only stdin and stdout.
        self.control: ControlSocket | None = None
        launched = launchers.stdio_launcher(options.exec) is not None
        if options.address is None and launched:
            self.control = ControlSocket()
        #: Whether the secret of a connection is on stdin: such launchers pass on no variables.
        self.secret_on_stdin: bool = (
            options.address is not None and launched and not options.detached
        )

    def child(
        self, connection: Connection, standard: Sequence[int], *, again: bool = False
    ) -> Child:
        """Make the process, or raise ExecNotFound, or a BootError if a fork server could not.

        `standard` is its stdin, stdout and stderr; `again` says that a fork server has failed.
        """
        server = self.choice.server
        if server is None:
            return self._spawned(connection, standard)
        try:
            return self._served(server, connection, standard)
        except ForkError as exc:
            default = self._options.start_method is None and not server.bad_preload
            unusable = server.unusable and (default or self.choice.start_method == SPAWN)
            if unusable or (exc.lost and not again):
                self.choice = choose(self._options)  # with another server, or none
                return self.child(connection, standard, again=True)
            error = BootTimeout if exc.late else BootError
            text = f"peer {self._options.name!r} did not boot: {exc}"
            raise error(text, argv=self.argv) from None

    def _served(self, server: ForkServer, connection: Connection, standard: Sequence[int]) -> Child:
        options, now = self._options, self.choice.inheritance
        assert now is not None
        request: dict[str, Any] = {"node": self._title}
        numbers = *command.LINK_NUMBERS, command.CONTROL_NUMBER
        line = self._line(connection, *numbers) if self.choice.start_method == SPAWN else None
        inherited = dict(zip(numbers, connection.peer_ends, strict=False))  # TCP has no ends
        if line is None:
            self.argv = [*server.argv, request["node"]]
        else:
            if self.control is None:
                self._lifeline = command.LIFELINE_NUMBER
            else:
                inherited[command.CONTROL_NUMBER] = self.control.theirs.fileno()
            request |= {"argv": line.argv, "environ": line.env}
            request["numbers"] = [*inherited, command.LIFELINE_NUMBER]
        limit = BOOT_SECONDS if options.boot_limit is None else options.boot_limit
        deadline = monotonic() + limit
        server.wait_ready(limit)
        # The place first: the working directory is one of its mount namespace.
        place = dict(self._place)
        user = place.pop("isolate", None)  # which the fork server has done in advance
        kind = PEER if user is None else USER_HOLDER if user else HOLDER
        changes = request["changes"] = {"variables": {}, **place}
        changes |= now.changes(server.inheritance)
        if options.terminal is not None:
            changes["terminal"] = True
        # Also if it has the same path as the template's: it may be another directory by now.
        cwd = options.cwd if line is None else line.cwd
        changes["cwd"] = os.path.join(now.settable["cwd"], cwd or "")
        interpreter = parse_hello(server.hello) if line is None else None
        if interpreter is not None:
            old, new = server.inheritance.environ, command.environment(options, now.environ)
            removed: dict[str, str | None] = dict.fromkeys(old.keys() - new.keys())
            changes["variables"] = removed | dict(new.items() - old.items())
            request["config"] = self.config(interpreter, parent_reaps=True)
        child = server.fork(request, [*standard, *inherited.values()], deadline, kind)
        if interpreter is None:
            connection.send_loader()
        else:
            self.interpreter = replace(interpreter, pid=child.pid)
        return child

    def config(self, interpreter: Interpreter, *, parent_reaps: bool) -> dict[str, Any]:
        """Return the configuration of the agent; see `bootstrap.agent_config`."""
        return bootstrap.agent_config(
            interpreter, self._options, self._evidence, self._lifeline, parent_reaps
        )

    def _spawned(self, connection: Connection, standard: Sequence[int]) -> Child:
        control = -1 if self.control is None else self.control.theirs.fileno()
        line = self._line(connection, *connection.peer_ends, control)
        with lifeline.opened() as end:
            self._lifeline = end if control < 0 else -1
            keep = [fd for fd in (*connection.peer_ends, end, control) if fd >= 0]
            if self._options.terminal is not None:
                line = command.on_terminal(line)
            if self._place:
                line = command.in_place(line, self._place)
            child = SpawnedChild(line, standard, keep)
            lifeline.tie(end, -child.pid)
        connection.send_loader()
        return child

    def _line(self, connection: Connection, *numbers: int) -> command.Command:
        """Return the command line; the numbers are those of the link and of the control socket."""
        options = self._options
        if connection.address is not None:
            words = command.connect_words(connection.address, secret_on_stdin=self.secret_on_stdin)
        elif self.control is not None:
            words = list(command.RELAY_WORDS)
        else:
            words = command.boot_words(*numbers[:2])
        environ = os.environ if coverage.current() is None else coverage.without_variables()
        line = command.command(options, environ, words)
        line, self.container = command.with_container(line, self._directory)
        self.argv = line.argv
        command.check_program(line)
        if connection.address is not None and not self.secret_on_stdin:
            return replace(line, env=line.env | {command.SECRET: connection.secret})
        return line if self.control is None else local_end(line, options, *numbers)
