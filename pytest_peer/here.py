"""The peer to which this process belongs: its name, its mailboxes, and what has started it.

``name`` is the name of the peer, as ``peer.name`` in the test, and ``index`` its place in the group
that ``peer_factory.many`` has made, from 0 on; ``None`` if that has not made it. ``mailbox(name)`` is the mailbox
into which ``peer.send`` puts messages. ``origin.send(mailbox, message)`` puts one into a mailbox of
the process that started this peer. All of these work in a peer, and on Linux in every process that
it has started, forked or not. Elsewhere they raise ``RuntimeError``.
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
        :raises OSError: the control link is gone, or the peer that has started this process.
        """


name: str
index: "int | None"
origin: Origin


def mailbox(name: str) -> "Mailbox":
    """Return a mailbox of this peer, into which ``peer.send(name, message)`` puts messages.

    It exists from the first message or the first use on. The processes that the peer has started
    share it: each message goes to one ``get``, which raises ``OSError`` there if the peer is gone.

    :raises TypeError: `name` is not a ``str``.
    :raises RuntimeError: this process is neither a peer nor started by one.
    """
    box: Mailbox = _runtime().mailboxes[name]
    return box


def _runtime() -> Any:
    agent: Any = sys.modules.get("pytest_peer_agent.agent.runtime")
    if getattr(agent, "runtime", None) is not None:
        return agent.runtime  # also in what it has forked
    from .link.protocol import mailbox as mailboxes

    return mailboxes.found()


def __getattr__(attribute: str) -> Any:
    if attribute in ("name", "index", "origin"):
        return getattr(_runtime(), attribute)
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
