"""Peers for tests: fresh Python processes under the control of the one that starts them. See `start` and `Peer`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from typing import Any

if sys.platform == "win32":
    raise ImportError("pytest-peer needs POSIX process groups and pipes; Windows is not supported")

if TYPE_CHECKING:
    from . import here
    from .errors import BootError
    from .errors import BootTimeout
    from .errors import CallTimeout
    from .errors import DecodeError
    from .errors import EncodeError
    from .errors import ExecNotFound
    from .errors import HandshakeError
    from .errors import NameInUse
    from .errors import PeerDown
    from .errors import PeerDownWarning
    from .errors import PeerError
    from .errors import RemoteError
    from .eventually import eventually
    from .group import PeerGroup
    from .launchers import over_stdio
    from .link.mailbox import Mailbox
    from .names import random_name
    from .options import PeerOptions
    from .peer import Peer
    from .starter import mailbox
    from .starter import start
    from .starter import start_link
    from .states import DownReason
    from .states import PeerState

__all__ = [
    "BootError",
    "BootTimeout",
    "CallTimeout",
    "DecodeError",
    "DownReason",
    "EncodeError",
    "ExecNotFound",
    "HandshakeError",
    "Mailbox",
    "NameInUse",
    "Peer",
    "PeerDown",
    "PeerDownWarning",
    "PeerError",
    "PeerGroup",
    "PeerOptions",
    "PeerState",
    "RemoteError",
    "eventually",
    "here",
    "mailbox",
    "over_stdio",
    "random_name",
    "start",
    "start_link",
]

#: Imported on first use: a test suite that uses no peer, and a peer that uses only `here`, must not pay for the rest.
_HOMES = {
    "DownReason": "states",
    "Mailbox": "link.mailbox",
    "Peer": "peer",
    "PeerGroup": "group",
    "PeerOptions": "options",
    "PeerState": "states",
    "eventually": "eventually",
    "mailbox": "starter",
    "over_stdio": "launchers",
    "random_name": "names",
    "start": "starter",
    "start_link": "starter",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "here":
        return import_module(".here", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES.get(name, 'errors')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
