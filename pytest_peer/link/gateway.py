"""The only module that imports execnet: a gateway over descriptors of our own, with one channel for everything.

Of what execnet does not document (hence ``<3``) this uses ``Gateway(io, spec)``, the io protocol, ``_initreceive``,
``Message(code, id, data).received(gateway)`` and ``_channelfactory._finished_receiving()``; `frames` knows the form of its messages.
No group: a group ends gateways at exit in ways of its own, and our processes are not its business.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

from execnet.gateway import Gateway
from execnet.gateway_base import GatewayReceivedTerminate
from execnet.gateway_base import Message
from execnet.gateway_base import get_execmodel
from execnet.xspec import XSpec

from ..core.unraisable import attempt
from .futures import Answer
from .futures import ReplyWaiter
from .protocol.framing import Sender
from .protocol.receiver import FrameReceiver
from .protocol.segments import Payload
from .protocol.sender import SMALL
from .protocol.sender import MessageSender
from .protocol.socket_stream import stream_over
from .reader import Reader

__tracebackhide__ = True  # a report shows the test and the peer, not what is between

#: The one task the gateway is given; our dispatcher does the rest.
_TASK = "pass"  # the agent attaches itself to its channel instead
_END = object()


class _Gateway(Gateway):
    """One whose messages are read by somebody else."""

    def _initreceive(self) -> None:
        """No thread."""


class Link:
    """A gateway to a peer.

    :param on_message: called with kind, id and payload by whoever reads; it must neither send nor wait nor raise.
    :param on_end: called once when the link is closed; the same holds.
    :param drain: reads what the peer has written until now; called before anything of the link is looked at, by who reads it.
    :param outputs: the descriptors that `drain` reads.
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
        self._on_end = on_end
        self._open = [True]  # empty when somebody has begun to close it
        self._stream = stream_over(read_fd, write_fd, get_execmodel("thread"))
        self._gateway = _Gateway(self._stream, XSpec(f"popen//id={name}"))
        try:
            self._channel = self._gateway.remote_exec(_TASK)
        except OSError:  # the peer is gone already, and nobody will get this link to close it
            self._stream.close_read()
            self._stream.close_write()
            raise
        # The other end closes it only by an error of its own.
        self._channel.setcallback(self._closed, endmarker=_END)
        receiver = FrameReceiver(read_fd, self._channel.id, on_message, self._frame, drain)
        self._reader = Reader(read_fd, receiver, outputs, self._ended)
        sender = Sender(self._stream, self._channel.id, SMALL)
        self.sender: MessageSender = MessageSender(sender.send, self._stream.wait_writable)

    def listen(self) -> None:
        """Begin to receive; what has come already is delivered at once."""
        self._reader.start()

    def wait(self, waiting: ReplyWaiter, ident: int, timeout: float | None) -> Answer:
        """Wait for the answer with that id.

        :raises TimeoutError: it did not come in time.
        """
        return self._reader.wait(waiting, ident, timeout)

    def _frame(self, code: int, channel: int, data: bytes) -> None:
        try:
            Message(code, channel, data).received(self._gateway)
        except GatewayReceivedTerminate as exc:
            raise EOFError from exc

    def _closed(self, item: Any) -> None:
        if item is _END:
            self._on_end()

    def _ended(self) -> None:
        self._gateway._channelfactory._finished_receiving()  # closes the channel, and `_closed` is called

    def cut(self) -> None:
        """Close our end; the peer notices, and ends."""
        self._stream.close_write()

    def close(self) -> None:
        """After the end of the peer: close both descriptors. May wait a moment for who reads."""
        try:
            self._open.pop()
        except IndexError:  # closed before: the numbers may be those of another link by now, which would not be read any more
            return
        self._reader.stop()
        attempt(self._stream.close_read, self._stream.close_write)

    def disown(self, null_fd: int) -> None:
        """In a forked child: let go of the link without disturbing it."""
        self._stream.disown(null_fd)
