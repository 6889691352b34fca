"""The value of the fixtures that start peers, and the hosts on which these peers are."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import pytest

from ..core.clock import CALL_TIMEOUT, seconds
from . import interpreters, settings
from .session import NETWORK

if TYPE_CHECKING:
    from ..link.protocol.mailbox import Mailbox
    from ..peers.choreography.deadlock import Wait
    from ..peers.choreography.marks import Mark
    from ..peers.choreography.order import Order
    from ..peers.choreography.points import HoldPoint
    from ..peers.group import PeerGroup
    from ..peers.peer import Peer
    from ..peers.supervisor import Supervisor

HOST = "{host}"  # what ``--peer-hosts`` fills in the words of ``--peer-exec``


class PeerFactory:
    """Start peers that end with the scope of the fixture. Erlang's ``?CT_PEER(Options)``."""

    def __init__(
        self,
        supervisor: Callable[[], Supervisor],
        request: pytest.FixtureRequest,
        program: list[str] | None,
    ) -> None:
        """:private: use the fixtures."""
        node = request.node
        self._supervisor = supervisor
        self._lasting: Callable[[], Supervisor] = partial(request.getfixturevalue, "_lasting_peers")
        self._config = request.config
        self._program = {"exec": program} if program is not None else {}
        self._module, self._test = words(node)
        self._marked = settings.marked(node)
        self._fixtures: Callable[[], list[str]] = lambda: request.fixturenames
        self._hooks = node.ihook  # those of the conftests above the test
        # Each factory begins with the first: a test's peers are on the same hosts each time.
        self._hosts = itertools.cycle(settings.hosts(request.config))

    def __call__(self, **options: Any) -> Peer:
        """Start a peer.

        :param options: those of `pytest_peer.start`, and ``link=False``, with which the peer lives
            on to the end of the session.
        :raises TypeError: an unknown option or a value of the wrong type.
        :raises ValueError: a value outside of what the option allows.
        :raises BootError: it did not boot.
        :raises NameInUse: a peer of that name is running.
        """
        supervisor, merged = self._merged(options)
        return supervisor.start(self._resolved(supervisor, {"name": self.name(), **merged}))

    def many(
        self, count: int, *, each: Sequence[Mapping[str, Any]] | None = None, **options: Any
    ) -> PeerGroup:
        """Start `count` peers, which boot at the same time.

        ``name="rank"`` names them ``rank-0``, ``rank-1`` and so on. In a peer
        ``pytest_peer.here.index`` is its place.

        :param each: for every peer some options of its own, which win over the others.
        :raises ValueError: `each` has not as many items as there are peers.
        :raises ExceptionGroup: some did not boot; the others are stopped.
        """
        from ..core.options import of_each

        supervisor, merged = self._merged(options, of_each(count, each))
        resolved = partial(self._resolved, supervisor)
        return supervisor.start_many(count, merged, self.name, resolved, each)

    def name(self, label: str | None = None) -> str:
        """Return a fresh name, ``<module>-<label or test>-<n>-<pid>``; ``?CT_PEER_NAME(label)``."""
        from ..core.names import random_name

        words = (self._module, label or self._test)
        return random_name("-".join(filter(None, words)) or "session")

    def mailbox(self, name: str) -> Mailbox:
        """Return the mailbox into which its peers put by ``here.origin.send(name, message)``."""
        return self._supervisor().mailboxes[name]

    def settle(
        self,
        timeout: float | None = 5.0,
        *,
        watch: Sequence[int] = (),
        ignore_timers: bool = True,
    ) -> None:
        """Wait until all its peers are at rest at the same moment; see `Peer.settle`.

        :param watch: ids of other processes that shall be at rest too, with what they have started:
            servers of the test.
        :raises ValueError: there is no such process.
        """
        from ..peers.choreography.settle import Settling

        Settling(self._supervisor().left, watch, ignore_timers).wait(timeout)

    def deadlock(self) -> list[Wait] | None:
        """Return a cycle of waits among its peers, or ``None``.

        Each of them waits for a file lock, a pipe, a socket or a call that the next one has, and
        none of them runs.
        """
        from ..peers.choreography.deadlock import deadlock

        return deadlock(self._supervisor().left())

    def barrier(
        self,
        name: str,
        parties: int,
        timeout: float | Literal["call_timeout"] | None = CALL_TIMEOUT,
    ) -> None:
        """Come to a barrier as one of its parties, and wait for the others; see ``here.barrier``.

        :param parties: how many, the test included.
        :param timeout: seconds, ``None`` for no limit; by default ``call_timeout`` of the settings.
        :raises BarrierBroken: a party has ended or has waited too long, or too few are left.
        """
        self._supervisor().relay.barriers.wait(name, parties, self._limit(timeout))

    def wait_mark(
        self,
        name: str,
        timeout: float | Literal["call_timeout"] | None = CALL_TIMEOUT,
        /,
        **fields: Any,
    ) -> Mark:
        """Wait until one of its peers makes a mark by ``here.mark(name, ...)``, or find one made.

        :param timeout: seconds, ``None`` for no limit; by default ``call_timeout`` of the settings.
        :param fields: what the mark must have; it may have more.
        :returns: the first such mark, with ``name``, ``peer`` (a name) and ``fields``.
        :raises TimeoutError: no peer made it in time; names the last marks.
        :raises PeerDown: all peers that could make it are down.
        """
        return self._supervisor().relay.marks.wait(name, self._limit(timeout), fields)

    def _limit(self, timeout: Any) -> float | None:
        chosen = self._supervisor().call_timeout() if timeout == CALL_TIMEOUT else timeout
        return seconds("timeout", chosen)

    def order(self, first: HoldPoint, then: HoldPoint) -> Order:
        """Let one call through only after another, while a ``with`` block lasts.

        :param first: The call that is to come first; a point of ``peer.point(target, ...)``.
        :param then: The call that is held until then.
        :raises PointNotReached: No call came to one of them, at the end of the block.
        """
        from ..peers.choreography.order import Order

        return Order(first, then)

    def __reduce__(self) -> NoReturn:
        raise TypeError("a factory of peers cannot be sent to another process")

    def _resolved(self, supervisor: Supervisor, options: Mapping[str, Any]) -> dict[str, Any]:
        """Return the options of the next peer, with its host or the next, as a hook wants it."""
        from ..core.options import Setup, check

        resolved = dict(options)
        command = list(check("exec", options.get("exec", sys.executable)))
        if HOST in " ".join(command):
            host = options.get("host") or next(self._hosts, None)
            if host is None:
                raise pytest.UsageError(
                    f"exec: {HOST} needs {settings.HOSTS.flag} to name some, or the option host,"
                    f" got {options['exec']!r}"
                )
            command = [word.replace(HOST, str(host)) for word in command]
            resolved.update(host=host, exec=command)
        hooked = self._hooks.pytest_peer_setup(config=self._config, options=resolved)
        # pluggy calls the hooks of the closest conftest first, which builds on the others.
        steps = itertools.chain.from_iterable(check("setup", each) for each in reversed(hooked))
        resolved["setup"] = Setup(check("setup", options.get("setup")).own, steps)
        launcher = self._hooks.pytest_peer_launcher(
            config=self._config, options={**resolved, "exec": command}
        )
        if launcher is not None:
            resolved["exec"] = supervisor.resources.enter_context(launcher)
        return resolved

    def _merged(
        self, options: dict[str, Any], each: Sequence[Mapping[str, Any]] = ({},)
    ) -> tuple[Supervisor, dict[str, Any]]:
        marked = {name: value for name, value in self._marked.items() if name not in options}
        settings.check_marked(marked)
        marked = self._applying(marked)
        merged = {**settings.read(self._config), **self._program, **marked, **options}
        for own in each:
            interpreters.check_chosen(self._config, {**merged, **own})
        link = merged.pop("link", True)
        if not isinstance(link, bool):
            raise TypeError(f"link: expected a bool, got {link!r}")
        return (self._supervisor() if link else self._lasting()), merged

    def _applying(self, marked: dict[str, Any]) -> dict[str, Any]:
        """Return the options of markers that peers of this factory can have."""
        if settings.TCP in marked and NETWORK not in self._fixtures():
            raise ValueError(
                f"peer marker: {settings.TCP}: it is for peers of {NETWORK}, which the test does not use"
            )
        return {name: value for name, value in marked.items() if name != settings.TCP}


def words(node: Any) -> tuple[str, str]:
    """Return the words for a name: of the module of a test, and of the test; perhaps empty."""
    from ..core.names import MAX_LENGTH, slug

    module = node.getparent(pytest.Module)
    first = slug(module.path.stem, MAX_LENGTH) if module is not None else ""
    return first, slug(node.name or "", MAX_LENGTH) if node is not module else ""


def check_hosts(config: pytest.Config) -> None:
    """Check that ``--peer-hosts`` and ``--peer-exec`` fit together."""
    hosts = settings.hosts(config)
    hosted = [program for program in settings.programs(config) if HOST in " ".join(program)]
    if hosts and not hosted:
        raise pytest.UsageError(
            f"{settings.HOSTS.flag}: no {HOST} in {settings.EXEC.flag} to put them; "
            f"""write, for example, {settings.EXEC.flag}="ssh {HOST} python3\""""
        )
    if hosted and not hosts:
        raise pytest.UsageError(
            f"{settings.EXEC.flag}: {HOST} needs {settings.HOSTS.flag} to name some,"
            f" got {' '.join(hosted[0])!r}"
        )
