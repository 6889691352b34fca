"""How a process gets sockets of the hosts that another one holds: by a socket in a directory.

Only this user can enter the directory. It is a path, as abstract names are those of one network
namespace.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterator

_NAME = "sockets"
#: The number of a host; family, type, protocol.
REQUEST = struct.Struct("!4i")
#: The number of an error, or 0 with a descriptor.
ANSWER = struct.Struct("!i")
#: Seconds for the holder to make a socket, which takes less than a millisecond.
_SECONDS = 10.0
_ENDED = "the process that holds the network has ended"


@contextlib.contextmanager
def entry(directory: str) -> Iterator[str]:
    """Have a path of the socket in this directory, short enough for every directory."""
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{fd}/{_NAME}"
    finally:
        os.close(fd)


def descriptor(directory: str, number: int, family: int, kind: int, protocol: int) -> int:
    """Return the descriptor of a new socket of the host with that number.

    :raises OSError: as ``socket.socket`` does; or the network is gone.
    """
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as door:
        door.settimeout(_SECONDS)
        with entry(directory) as path:
            try:
                door.connect(path)
            except (ConnectionError, FileNotFoundError) as exc:
                raise ConnectionResetError(_ENDED) from exc
        door.send(REQUEST.pack(number, family, kind, protocol))
        answer, found, *_ = socket.recv_fds(door, ANSWER.size, 1, socket.MSG_CMSG_CLOEXEC)
    if not answer:
        raise ConnectionResetError(_ENDED)
    (error,) = ANSWER.unpack(answer)
    if error:
        raise OSError(error, os.strerror(error))
    return found[0]
