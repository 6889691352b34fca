"""The peer to which this process belongs: its name, its mailboxes, the other peers, the test.

``name`` is the name of the peer, as ``peer.name`` in the test, and ``index`` its place in the group
with which ``peer_factory.many`` has started it, else ``None``. ``mailbox(name)`` is the mailbox
into which ``peer.send`` puts messages. ``origin.send(mailbox, message)`` puts one into a mailbox of
the process that started this peer. ``peer(name)`` is another peer. All of these work in a peer, and
on Linux in every process that it has started, forked or not. Elsewhere they raise
``RuntimeError``.
"""

import sys
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from .link.protocol.mailbox import Mailbox
    from .link.protocol.siblings import Sibling


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


def peer(name: str) -> "Sibling":
    """Return a handle of another peer of the same factory, with some verbs of its handle in the test.

    They are ``call``, ``acall``, ``submit``, ``cast`` and ``send``. What they send goes by way of
    the test's process, over the control links. A handle that is sent to another peer is one there;
    in the test it is the peer. The limit of calls is the other peer's option ``call_timeout``.

    :raises TypeError: `name` is not a ``str``.
    :raises LookupError: no living peer has that name; tells the names there are.
    """
    found: Sibling = _runtime().siblings.peer(name)
    return found


def barrier(name: str, parties: int, timeout: "float | str | None" = "call_timeout") -> None:
    """Wait until as many parties have come to the barrier of that name.

    Parties are peers of one factory, processes that they have started, and the test by
    ``peer_factory.barrier``. Each call counts. When all have come it begins anew. When it breaks,
    it breaks for all at once, and for those that come later.

    :param parties: how many; all have to say the same number.
    :param timeout: seconds, ``None`` for no limit; by default the peer's option ``call_timeout``.
    :raises BarrierBroken: a party has ended, has waited too long or has given up, or a peer has
        ended without which too few are left; says who had come, who had not, and where those are.
    """
    _runtime().siblings.barrier(name, parties, timeout)


async def abarrier(name: str, parties: int, timeout: "float | str | None" = "call_timeout") -> None:
    """Do as `barrier` in a task of asyncio or trio. A cancellation breaks the barrier."""
    await _runtime().siblings.abarrier(name, parties, timeout)


def mark(name: str, /, **fields: Any) -> None:
    """Note that the peer has come to a place; ``peer_factory.wait_mark`` waits for that.

    :param fields: anything that can be pickled, by name.
    :raises EncodeError: a field cannot be pickled.
    """
    _runtime().siblings.mark(name, fields)


def _handle(*parts: Any) -> Any:
    """Rebuild the handle of a peer that another process has sent."""
    known: Any = sys.modules.get("pytest_peer.peers.choreography.relay")
    found = known and known.handles.get(parts[1])  # in the test it is the peer itself
    return found or _runtime().siblings.handle(*parts)


def _runtime() -> Any:
    agent: Any = sys.modules.get("pytest_peer_agent.agent.runtime")
    if getattr(agent, "runtime", None) is not None:
        return agent.runtime  # also in what it has forked
    from .link.protocol import here as inside

    return inside.found()


def __getattr__(attribute: str) -> Any:
    if attribute in ("name", "origin"):
        return getattr(_runtime(), attribute)
    if attribute == "index":
        return _runtime().siblings.index
    raise AttributeError(f"module {__name__!r} has no attribute {attribute!r}")
