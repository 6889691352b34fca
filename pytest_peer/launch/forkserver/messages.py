"""The messages between the origin and a fork server.

Each is four bytes of length and a marshalled tuple. Descriptors come with its first byte.
"""

from __future__ import annotations

import marshal
import select
import socket
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from ...core.clock import monotonic

_LENGTH = struct.Struct("!I")


class Broken(ConnectionError):
    """Only a part of a message was sent, so nothing after it could be understood."""


def send(
    connection: socket.socket,
    message: tuple[Any, ...],
    descriptors: Sequence[int],
    deadline: float,
) -> None:
    """Send on a socket that does not block.

    :param deadline: of ``time.monotonic``.
    :raises TimeoutError: nothing was sent until then.
    :raises Broken: only a part was.
    """
    data = marshal.dumps(message)
    view = whole = memoryview(_LENGTH.pack(len(data)) + data)
    while view:
        try:
            if descriptors:
                sent = socket.send_fds(connection, [view], descriptors, socket.MSG_NOSIGNAL)
            else:
                sent = connection.send(view, socket.MSG_NOSIGNAL)
        except BlockingIOError:
            left = deadline - monotonic()
            if left <= 0:
                raise (Broken if len(view) < len(whole) else TimeoutError) from None
            poll = select.poll()
            poll.register(connection, select.POLLOUT)
            poll.poll(left * 1000)
            continue
        view, descriptors = view[sent:], ()


def whole(received: bytearray) -> Iterator[tuple[Any, ...]]:
    """Take the complete messages out of `received`."""
    while len(received) >= _LENGTH.size:
        end = _LENGTH.size + _LENGTH.unpack_from(received)[0]
        if len(received) < end:
            return
        message = marshal.loads(received[_LENGTH.size : end])
        del received[:end]
        yield message
