"""What the parts of the agent share, and `pytest_peer.here` shows to the user."""

import itertools
from typing import Any

from ..link.protocol import codec, messages
from ..link.protocol.mailbox import Mailboxes
from ..link.protocol.messages import snapshot, with_mailbox


class Origin:
    """The process that started this peer."""

    def __init__(self, runtime):
        self._runtime = runtime

    def send(self, mailbox, message):
        """Put `message` into the origin's mailbox of that name; see `pytest_peer.here`."""
        try:
            data = snapshot(
                codec.pack(message, self._runtime.by_value, codec.big_buffers((message,)))
            )
        except codec.CannotEncode as exc:
            raise public("EncodeError", codec.CannotEncode)(
                "the message %s" % exc
            ) from exc.__cause__
        self._runtime.enqueue(
            messages.MESSAGE, next(self._runtime.ids), with_mailbox(mailbox, data), True
        )

    def __repr__(self):
        return "<origin of %s>" % self._runtime.name


class Runtime:
    """The state that the parts of the agent share."""

    def __init__(self, name, by_value, locals):
        self.name = name
        self.by_value = by_value
        self.locals = locals
        self.ids = itertools.count(1)
        self.mailboxes = Mailboxes(_rebuilt)
        self.origin = Origin(self)
        self.enqueue: Any = None  # set when the link is up


def public(name, otherwise):
    """Return our public error of that name, or `otherwise` if this package cannot be imported."""
    try:
        from pytest_peer.core import errors
    except ImportError:
        return otherwise
    return getattr(errors, name)


def _rebuilt(payload):
    try:
        return codec.loads(payload)
    except Exception as exc:
        text = "the message cannot be rebuilt in the peer: %s: %s" % (type(exc).__name__, exc)
        raise public("DecodeError", codec.CannotDecode)(text) from exc


#: Set by `main` before code of the user's runs.
runtime: Any = None
