"""Fresh Python processes for tests, controlled by the process that starts them.

See `start` and `Peer`. Erlang's original is the module ``peer``.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from typing import Any

if sys.platform == "win32":
    raise ImportError("pytest-peer needs POSIX process groups and pipes; Windows is not supported")

if TYPE_CHECKING:
    from . import here
    from .core.errors import BootError
    from .core.errors import BootTimeout
    from .core.errors import CallTimeout
    from .core.errors import DecodeError
    from .core.errors import EncodeError
    from .core.errors import ExecNotFound
    from .core.errors import HandshakeError
    from .core.errors import NameInUse
    from .core.errors import PeerDown
    from .core.errors import PeerDownWarning
    from .core.errors import PeerError
    from .core.errors import RemoteError
    from .core.eventually import eventually
    from .core.launchers import over_stdio
    from .core.names import random_name
    from .core.options import PeerOptions
    from .core.states import DownReason
    from .core.states import PeerState
    from .link.protocol.mailbox import Mailbox
    from .peers.api import mailbox
    from .peers.api import start
    from .peers.api import start_link
    from .peers.group import PeerGroup
    from .peers.peer import Peer

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

#: The modules of public names, imported on first use: a test suite without peers, and a peer that
#: uses only `here`, must not pay for all of them. Other names are those of `core.errors`.
_HOMES = {
    "DownReason": "core.states",
    "Mailbox": "link.protocol.mailbox",
    "Peer": "peers.peer",
    "PeerGroup": "peers.group",
    "PeerOptions": "core.options",
    "PeerState": "core.states",
    "eventually": "core.eventually",
    "mailbox": "peers.api",
    "over_stdio": "core.launchers",
    "random_name": "core.names",
    "start": "peers.api",
    "start_link": "peers.api",
}


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "here":
        return import_module(".here", __name__)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f".{_HOMES.get(name, 'core.errors')}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
