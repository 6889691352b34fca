"""What waits until a peer can take it: calls for the end of its boot, messages for its agent."""

import contextlib
from collections import deque
from collections.abc import Callable
from typing import Protocol

from ..core.errors import PeerDown
from ..core.sync import Event


class Waiting(Protocol):
    """What has not been sent yet."""

    def fail(self, error: BaseException, /) -> object:
        """Take why it never will be."""


class Gate(Event):
    """Is set when something may be sent, or never will be; then what waits is sent, in order.

    It takes no lock, which a signal handler that stops the peer could find taken by the step that
    it has interrupted. Who adds something looks afterwards whether it is set; who sets it looks
    afterwards for what waits. So one of them finds it.
    """

    def __init__(self) -> None:
        super().__init__()
        self._waiting: deque[tuple[Waiting, Callable[[], object]]] = deque()

    @property
    def waiting(self) -> bool:
        """Whether something waits."""
        return bool(self._waiting)

    def after(self, what: Waiting, send: Callable[[], object]) -> None:
        """Send it by `send` when this is set; raises as that if it is already."""
        if self.is_set():
            send()
            return
        self._waiting.append((what, send))
        if self.is_set():
            self.flush()

    def set(self) -> None:
        self.flush()
        super().set()
        self.flush()

    def flush(self) -> None:
        """Send what waits; after the end of the peer it fails."""
        with contextlib.suppress(IndexError):
            while True:
                what, send = self._waiting.popleft()
                try:
                    send()
                except PeerDown as exc:
                    what.fail(exc)  # perhaps who ended the peer has done it already
