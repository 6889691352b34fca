"""The end of a boot that takes too long."""

from __future__ import annotations

from ..evidence.stacks import Stacks
from .process import PeerProcess


class BootLimit:
    """Says where the process hangs before it kills it."""

    def __init__(self, body: PeerProcess, stacks: Stacks) -> None:
        self._body = body
        self._stacks = stacks
        #: Whether the time was over before the boot was.
        self.expired: bool = False
        #: Where it was then, if that was found without a signal that ends it.
        self.found: str = ""

    def enforce(self) -> None:
        """The time is over. Takes a while."""
        self.found = self._stacks.before_kill(self._body.process.exited)
        self._body.kill()
