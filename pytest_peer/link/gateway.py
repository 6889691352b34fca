"""The only module that imports execnet: a gateway over our own descriptors, with one channel.

It uses these undocumented parts of execnet (hence ``<3``): ``Gateway(io, spec)``, the io protocol,
``_initreceive`` and ``_channelfactory._finished_receiving()``; `framing` knows the form of its
messages. There is no group: a group ends gateways at exit in its own ways, and we manage the
processes.
"""

import fcntl
import os
import stat
import sys
import termios
import threading
from collections.abc import Callable
from typing import Any

from execnet.gateway import Gateway
from execnet.gateway_base import get_execmodel
from execnet.xspec import XSpec

from ..core.worker import run_all
from .protocol.messages import Payload
from .protocol.receiver import FrameReceiver
from .protocol.sender import MessageSender
from .protocol.streams import PipeStream, stream_over
from .reader import Output, Reader

#: Of a socket, the bytes that have not arrived at the other end; a pipe knows only one number.
_OUTGOING = termios.TIOCOUTQ


class _Gateway(Gateway):
    """A gateway whose messages `Reader` reads."""

    def _initreceive(self) -> None:
        """Start no thread."""


class Link:
    """A gateway to a peer; OSError: that has ended already. Waits until there is room in the pipe.

    The thread that reads calls `on_message` with kind, id and payload, and `on_end` once when the
    link is closed; neither may send, wait or raise. Before anything is parsed it drains `output`.
    """

    def __init__(
        self,
        read_fd: int,
        write_fd: int,
        name: str,
        on_message: Callable[[int, int, Payload], object],
        on_end: Callable[[], object],
        output: Output,
    ) -> None:
        self._closing = threading.Lock()
        self.stream: PipeStream = stream_over(read_fd, write_fd)
        io: Any = self.stream  # has what a gateway without a group uses of execnet's protocol
        io.execmodel = get_execmodel("thread")
        self._gateway = _Gateway(io, XSpec(f"popen//id={name}"))
        try:
            # The peer may not have read yet all that was sent before. Its end ends this, too.
            while not self.stream.wait_writable():
                pass
            # Ours in the agent's eyes too. Kept: a channel that is collected would send its end.
            self._channel = self._gateway.remote_exec("pass")
        except OSError:  # the caller gets no link that it could close
            self.stream.close_read()
            self.stream.close_write()
            raise
        close_channel = self._gateway._channelfactory._finished_receiving
        receiver = FrameReceiver(read_fd, on_message, output.drain)
        #: Not yet started.
        self.reader: Reader = Reader(
            read_fd, receiver, output, lambda: run_all(close_channel, on_end)
        )
        self.sender: MessageSender = MessageSender(self.stream)
        self._fds = read_fd, write_fd

    def has_handled_all(self) -> bool:
        """Return whether nothing that the peer has sent is still to be read or handled."""
        # In this order: else a message that is read between the two looks is seen by neither.
        return not self._unread(0, termios.FIONREAD) and self.reader.is_quiet()

    def has_sent_all(self) -> bool:
        """Return whether nothing is on its way to the peer, or waits to be."""
        return not self.sender.is_busy() and not self._unread(1, _OUTGOING)

    def _unread(self, which: int, request: int) -> int:
        try:
            return _unread(self._fds[which], request)
        except OSError:  # it is closed
            return 0

    def close(self) -> None:
        """Close both descriptors after the end of the peer; may wait a moment for the reader."""
        if self._closing.acquire(blocking=False):  # once: the descriptors may get new owners
            self.reader.stop()
            run_all(self.stream.close_read, self.stream.close_write)


def _unread(fd: int, request: int) -> int:
    """Return how many bytes are in a pipe, or on their way through a socket."""
    if not stat.S_ISSOCK(os.fstat(fd).st_mode):
        request = termios.FIONREAD
    return int.from_bytes(fcntl.ioctl(fd, request, bytes(4)), sys.byteorder)
