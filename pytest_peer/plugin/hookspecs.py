"""The plugin's own hooks, for conftest files and other plugins."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import pytest


@pytest.hookspec(firstresult=True)
def pytest_peer_launcher(
    config: pytest.Config, options: Mapping[str, Any]
) -> AbstractContextManager[Sequence[str]] | None:
    """Prepare an environment for a peer and return the command that starts it there.

    For what a prefix in ``exec`` cannot do. Called for every peer of the factories, before its
    options are checked. The first hook that returns a value wins.

    :param options: of the peer, from call, marker, command line and ini file; ``name`` and ``exec``
        (a list of words) are always there.
    :return: a context manager whose value is the words of ``exec``, or of `pytest_peer.over_stdio`
        if the control link has to share stdin and stdout. It is entered before the peer starts, and
        left when all peers of the factory's scope have been stopped. A restarted peer is started by
        the same words. ``None`` for a peer that starts as its options say.
    """


def pytest_peer_setup(
    config: pytest.Config, options: Mapping[str, Any]
) -> Callable[[], object] | Sequence[Callable[[], object]] | None:
    """Return what every peer of the factories runs at its boot, and after a restart.

    It runs before the first call, so before the test's module is imported there, and before the
    option ``setup``. Those of all plugins and conftests are run, the closest conftest's last.

    :param options: of the peer, as for `pytest_peer_launcher`.
    :return: a callable or several, which are sent to the peer; what one raises is the cause of a
        `BootError`.
    """


def pytest_peer_outcome(peer: Any) -> Callable[[], Iterable[object] | None] | None:
    """Return what takes, in a peer, the failures that a plugin has collected there.

    They are the test's, which fails after its body. pytest-check and pytest-assume need no hook.

    :param peer: the `Peer`, at the end of its boot; the hook must not call it.
    :return: a callable, which the peer runs after each call and at its end. It returns texts and
        exceptions, or callables, which are sent back and give a failure to the plugin here.
    """
