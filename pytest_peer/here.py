"""The peer in which this code runs: its name, its mailboxes, and the process that started it.

``name`` is the name of the peer, as ``peer.name`` in the test. ``mailbox(name)`` is the mailbox
into which ``peer.send`` puts messages. ``origin.send(mailbox, message)`` puts one into a mailbox of
the process that started this peer. Outside of a peer all of these raise ``RuntimeError``.
"""

import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .link.protocol.mailbox import Mailbox


class Origin(Protocol):
    """The process that started this peer."""

    def send(self, mailbox: str, message: object) -> None:
        """Put a message into a mailbox of the process that started this peer.

        :param mailbox: its name; ``pytest_peer.mailbox(name)`` or ``peer_factory.mailbox(name)``
            takes the message out, also when it is opened later.
        :param message: anything that can be pickled.
        :raises TypeError: `mailbox` is not a ``str``.
        :raises EncodeError: `message` cannot be pickled.
        :raises OSError: the control link is gone.
        """


name: str
origin: Origin


def mailbox(name: str) -> "Mailbox":
    """Return a mailbox of this peer, into which ``peer.send(name, message)`` puts messages.

    It exists from the first message or the first use on.

    :raises TypeError: `name` is not a ``str``.
    :raises RuntimeError: this process is not a peer.
    """
    box: Mailbox = _runtime().mailboxes[name]
    return box


def _runtime() -> Any:
    agent = sys.modules.get("pytest_peer_agent.agent.runtime")
    if agent is None:
        raise RuntimeError("pytest_peer.here works only in a peer, and this process is not one")
    return agent.runtime


def __getattr__(attribute: str) -> Any:
    if attribute in ("name", "origin"):
        return getattr(_runtime(), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
