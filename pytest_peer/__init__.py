"""Fresh Python processes for tests, controlled by the process that starts them.

See `start` and `Peer`. Erlang's original is the module ``peer``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if sys.platform == "win32":
    raise ImportError("pytest-peer needs POSIX process groups and pipes; Windows is not supported")

if TYPE_CHECKING:
    from . import here as here
    from .core.down_reason import DownReason as DownReason
    from .core.down_reason import PeerState as PeerState
    from .core.errors import *  # noqa: F403 - all that it declares is public
    from .core.eventually import aeventually as aeventually
    from .core.eventually import eventually as eventually
    from .core.eventually import still as still
    from .core.launchers import over_stdio as over_stdio
    from .core.names import random_name as random_name
    from .core.options import PeerOptions as PeerOptions
    from .link.protocol.mailbox import Mailbox as Mailbox
    from .peers.api import mailbox as mailbox
    from .peers.api import start as start
    from .peers.api import start_link as start_link
    from .peers.choreography.blocked import Blocked as Blocked
    from .peers.choreography.deadlock import Wait as Wait
    from .peers.choreography.interleaving_run import InterleavingRun as InterleavingRun
    from .peers.choreography.interleavings import Interleaving as Interleaving
    from .peers.choreography.interleavings import interleavings as interleavings
    from .peers.group import PeerGroup as PeerGroup
    from .peers.peer import Peer as Peer

#: The public names of each module. It is imported on first use: a test suite without peers, and a
#: peer that uses only `here`, must not pay for all of them.
_NAMES = {
    "core.errors": "BarrierBroken BootError BootTimeout CallTimeout DecodeError EncodeError "
    "ExecNotFound FaultNotEffective HandshakeError InterleavingStuck NameInUse NotAFunction NotBlocked "
    "NotSettled PacketsLostWarning PeerDown PeerDownWarning PeerError PeerInterrupted PointNotFound "
    "PointNotReached RemoteError ServiceEnded UnhandledPeerException",
    "core.eventually": "aeventually eventually still",
    "core.launchers": "over_stdio",
    "core.names": "random_name",
    "core.options": "PeerOptions",
    "core.down_reason": "DownReason PeerState",
    "link.protocol.mailbox": "Mailbox",
    "peers.api": "mailbox start start_link",
    "peers.choreography.blocked": "Blocked",
    "peers.choreography.deadlock": "Wait",
    "peers.choreography.interleaving_run": "InterleavingRun",
    "peers.choreography.interleavings": "Interleaving interleavings",
    "peers.group": "PeerGroup",
    "peers.peer": "Peer",
}
_HOMES = {name: home for home, names in _NAMES.items() for name in names.split()}

__all__ = sorted([*_HOMES, "here"])


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "here":
        return import_module(".here", __name__)
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
