"""The value of the fixtures that start peers, and the hosts on which these peers are."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn, final

import pytest

from . import interpreters, settings

if TYPE_CHECKING:
    from ..link.protocol.mailbox import Mailbox
    from ..peers.choreography.order import Order
    from ..peers.choreography.points import HoldPoint
    from ..peers.group import PeerGroup
    from ..peers.peer import Peer
    from ..peers.supervisor import Supervisor

HOST = "{host}"  # what ``--peer-hosts`` fills in the words of ``--peer-exec``


@final
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

    def many(self, count: int, **options: Any) -> PeerGroup:
        """Start `count` peers, which boot at the same time.

        ``name="rank"`` names them ``rank-0``, ``rank-1`` and so on.

        :raises ExceptionGroup: some did not boot; the others are stopped.
        """
        supervisor, merged = self._merged(options)
        return supervisor.start_many(count, merged, self.name, partial(self._resolved, supervisor))

    def name(self, label: str | None = None) -> str:
        """Return a fresh name, ``<module>-<label or test>-<n>-<pid>``; ``?CT_PEER_NAME(label)``."""
        from ..core.names import random_name

        words = (self._module, label or self._test)
        return random_name("-".join(filter(None, words)) or "session")

    def mailbox(self, name: str) -> Mailbox:
        """Return the mailbox into which its peers put by ``here.origin.send(name, message)``."""
        return self._supervisor().mailboxes[name]

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

    def _merged(self, options: dict[str, Any]) -> tuple[Supervisor, dict[str, Any]]:
        marked = {name: value for name, value in self._marked.items() if name not in options}
        settings.check_marked(marked)
        merged = {**settings.read(self._config), **self._program, **marked, **options}
        interpreters.check_chosen(self._config, merged)
        link = merged.pop("link", True)
        if not isinstance(link, bool):
            raise TypeError(f"link: expected a bool, got {link!r}")
        return (self._supervisor() if link else self._lasting()), merged


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
