"""What the plugin knows while a session runs: the test, and the scopes whose peers are open."""

import sys
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from ..peers.lifecycle import PeerLife
    from .artifacts import ArtifactRetention
    from .scope import Scope

#: Of an unasked death: test, peer, reason, pid, path of artifacts. xdist sends it from a worker.
CrashReport = tuple[str, str, str, int | None, str]

#: The fixtures that start peers, and their scopes.
FACTORIES = {
    "peer_factory": "function",
    "class_peer_factory": "class",
    "module_peer_factory": "module",
    "package_peer_factory": "package",
    "session_peer_factory": "session",
}
#: The fixture whose peers are in a network, which is a factory of the scope ``function`` too.
NETWORK = "peer_network"
#: So much a section of a report quotes; the log file has all of it.
SECTION_CHARACTERS = 16 * 1024
#: The fixture on which these depend: the interpreter of one run of a test, if several are given.
PROGRAM = "_peer_exec"

running_key: pytest.StashKey[pytest.Item] = pytest.StashKey()  # the test that runs
scopes_key: "pytest.StashKey[list[Scope]]" = pytest.StashKey()  # those open, outermost first
closed_key: "pytest.StashKey[list[PeerLife]]" = pytest.StashKey()  # of scopes closed in this test
retention_key: "pytest.StashKey[ArtifactRetention]" = pytest.StashKey()  # from the first peer on
#: Crashes for the summary that are in no report: of the end of a session, here or in a worker.
left_key: pytest.StashKey[list[CrashReport]] = pytest.StashKey()
#: Why the peers of this run, or of a worker, were spawned that would have been forked.
spawned_key: pytest.StashKey[str] = pytest.StashKey()
#: Interrupts the body of the test that runs, because a peer with ``peer_down="crash"`` crashed.
interrupt_key: pytest.StashKey[Callable[[], None]] = pytest.StashKey()


def hide_frames() -> None:
    """Keep the frames of this package out of the tracebacks that pytest shows."""
    for name, module in list(sys.modules.items()):
        if name.startswith("pytest_peer."):
            vars(module).setdefault("__tracebackhide__", True)


def lives(config: pytest.Config) -> "Iterator[PeerLife]":
    """Return all lives of open scopes, and of those closed in this test, that had a process."""
    opened = (life for scope in config.stash.get(scopes_key, ()) for life in list(scope.lives))
    every = (*opened, *config.stash.get(closed_key, ()))
    return (life for life in every if life.process.started)
