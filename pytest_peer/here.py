"""In a peer: who it is, its mailboxes, and the way to the test. Outside of a peer everything here raises RuntimeError.

``name`` is the peer's name; ``mailbox(name)`` the mailbox into which ``peer.send`` puts; ``origin.send(mailbox, message)`` puts
into the origin's.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING
from typing import Any
from typing import Protocol

if TYPE_CHECKING:
    from .link.protocol.mailbox import Mailbox


class Origin(Protocol):
    """The process that started this peer."""

    def send(self, mailbox: str, message: object) -> None:
        """Put a message into a mailbox of the origin."""


name: str
origin: Origin


def mailbox(name: str) -> Mailbox:
    """The mailbox of that name in this peer."""
    box: Mailbox = _runtime().mailboxes[name]
    return box


def _runtime() -> Any:
    agent = sys.modules.get("pytest_peer_agent.agent.runtime")
    if agent is None:
        raise RuntimeError("pytest_peer.here works in a peer only, and this process is none")
    return agent.runtime


def __getattr__(attribute: str) -> Any:
    if attribute in ("name", "origin"):
        return getattr(_runtime(), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
