"""What `pytest_peer.here` stands for in a peer."""

from __future__ import annotations

import itertools
import pickle

from . import codec
from . import wire
from .mailbox import Mailboxes


class Origin:
    """The way to the test."""

    def __init__(self, runtime):
        self._runtime = runtime

    def send(self, mailbox, message):
        """Send `message` to the origin's mailbox of that name."""
        self._runtime.post(
            wire.MESSAGE,
            next(self._runtime.ids),
            wire.named(mailbox, self._runtime.dumps(message)),
            True,
        )

    def __repr__(self):
        return "<origin of %s>" % self._runtime.name


class Runtime:
    """What the parts of the agent share."""

    def __init__(self, name, by_value):
        self.name = name
        self.by_value = by_value
        self.ids = itertools.count(1)
        self.mailboxes = Mailboxes(pickle.loads)
        self.origin = Origin(self)
        self.post = None  # set when the link is up

    def dumps(self, obj):
        return codec.dumps(obj, self.by_value)


#: Set by `main` before anything of the user's runs.
runtime = None
