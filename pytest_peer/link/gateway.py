"""The only module that imports execnet: a gateway over descriptors of our own, with one channel for everything.

``Gateway(io, spec)`` and the io protocol are not documented by execnet (hence ``<3``). No group: a group ends gateways at exit
in ways of its own, and our processes are not its business.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from execnet.gateway import Gateway
from execnet.gateway_base import get_execmodel
from execnet.xspec import XSpec

from .outbox import Outbox
from .stream import PipeStream

#: The one task the gateway is given; our dispatcher does the rest.
_TASK = "from pytest_peer_agent import main; main.attach(channel)"
_END = object()


class Link:
    """A gateway to a peer. `on_item` and `on_end` are called by its receiver thread; they must neither send nor raise."""

    def __init__(
        self,
        read_fd: int,
        write_fd: int,
        name: str,
        on_item: Callable[[bytes], object],
        on_end: Callable[[], object],
    ) -> None:
        self._on_item = on_item
        self._on_end = on_end
        self._stream = PipeStream(os.fdopen(read_fd, "rb"), write_fd, get_execmodel("thread"))
        self._gateway = Gateway(self._stream, XSpec(f"popen//id={name}"))
        self._channel = self._gateway.remote_exec(_TASK)
        self.outbox: Outbox = Outbox(self._channel.send, self._stream.wait_writable)

    def listen(self) -> None:
        """Begin to receive; what has come already is delivered at once."""
        self._channel.setcallback(self._received, endmarker=_END)

    def _received(self, item: Any) -> None:
        if item is _END:
            self._on_end()
        else:
            self._on_item(item)

    def cut(self) -> None:
        """Close our end; the peer notices, and ends."""
        self._stream.close_write()

    def join(self, seconds: float) -> None:
        """Wait until the receiver thread has ended and closed both descriptors."""
        self._gateway.join(seconds)

    def disown(self, null_fd: int) -> None:
        """In a forked child: let go of the link without disturbing it."""
        self._stream.disown(null_fd)
