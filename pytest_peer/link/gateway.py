"""The only module that imports execnet: a gateway over our own descriptors, with one channel.

It uses these undocumented parts of execnet (hence ``<3``): ``Gateway(io, spec)``, the io protocol,
``_initreceive``, ``Message(code, id, data).received(gateway)`` and
``_channelfactory._finished_receiving()``; `framing` knows the form of its messages. There is no
group: a group ends gateways at exit in its own ways, and we manage the processes.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import Any

from execnet.gateway import Gateway
from execnet.gateway_base import GatewayReceivedTerminate, Message, get_execmodel
from execnet.xspec import XSpec

from ..core.worker import run_all
from .futures import Reply, ReplyWaiter
from .protocol.messages import Payload
from .protocol.receiver import FrameReceiver
from .protocol.sender import MessageSender
from .protocol.streams import stream_over
from .reader import Reader

#: The one task of the gateway. Our agent takes its channel instead of running it.
_TASK = "pass"
_END = object()


class _Gateway(Gateway):
    """A gateway whose messages `Reader` reads."""

    def _initreceive(self) -> None:
        """Start no thread."""


class Link:
    """A gateway to a peer.

    :param on_message: called with kind, id and payload, by the thread that reads; must neither send
        nor wait nor raise.
    :param on_end: called once when the link is closed; the same holds.
    :param drain: reads the peer's output; called before anything of the link is parsed.
    :param outputs: the descriptors that `drain` reads.
    :raises OSError: the peer has ended already.
    """

    def __init__(
        self,
        read_fd: int,
        write_fd: int,
        name: str,
        on_message: Callable[[int, int, Payload], object],
        on_end: Callable[[], object],
        drain: Callable[[], object],
        outputs: Sequence[int],
    ) -> None:
        self._closing = threading.Lock()
        self._stream = stream_over(read_fd, write_fd)
        io: Any = self._stream  # has what a gateway without a group uses of execnet's protocol
        io.execmodel = get_execmodel("thread")
        self._gateway = _Gateway(io, XSpec(f"popen//id={name}"))
        try:
            self._channel = self._gateway.remote_exec(_TASK)
        except OSError:  # the caller gets no link that it could close
            self._stream.close_read()
            self._stream.close_write()
            raise
        # The other end closes the channel only by an error of its own.
        self._channel.setcallback(lambda item: on_end() if item is _END else None, endmarker=_END)
        receiver = FrameReceiver(read_fd, self._channel.id, on_message, self._frame, drain)
        self._reader = Reader(read_fd, receiver, outputs, self._ended)
        #: Waits for a reply; see `Reader.wait`.
        self.wait: Callable[[ReplyWaiter, int, float | None], Reply] = self._reader.wait
        self.sender: MessageSender = MessageSender(self._stream, self._channel.id)

    def listen(self) -> None:
        """Begin to receive; what has come already is delivered at once."""
        self._reader.start()

    def _frame(self, code: int, channel: int, data: bytes) -> None:
        try:
            Message(code, channel, data).received(self._gateway)
        except GatewayReceivedTerminate as exc:
            raise EOFError from exc

    def _ended(self) -> None:
        self._gateway._channelfactory._finished_receiving()  # closes the channel

    def cut(self) -> None:
        """Close our end; the peer notices that, and ends."""
        self._stream.close_write()

    def close(self) -> None:
        """Close both descriptors after the end of the peer; may wait a moment for the reader."""
        if self._closing.acquire(blocking=False):  # once: the descriptors may get new owners
            self._reader.stop()
            run_all(self._stream.close_read, self._stream.close_write)

    def disown(self, null_fd: int) -> None:
        """Let go of the link in a forked child, without disturbing it."""
        self._stream.disown(null_fd)
